"""Programs that proofs of deployment need and Debian has not: fetched once, built from their
modules, kept in target/tools."""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("BATELEUR_TOOLS", ROOT / "target/tools"))

PLUGINS = "github.com/containernetworking/plugins/plugins"
# Name of the program: package and version.
MODULES = {
    "cnitool": ("github.com/containernetworking/cni/cnitool", "v1.3.0"),
    "bridge": (f"{PLUGINS}/main/bridge", "v1.9.1"),
    "host-device": (f"{PLUGINS}/main/host-device", "v1.9.1"),
    "host-local": (f"{PLUGINS}/ipam/host-local", "v1.9.1"),
    "helm": ("helm.sh/helm/v3/cmd/helm", "v3.17.3"),
    "kubeconform": ("github.com/yannh/kubeconform/cmd/kubeconform", "v0.6.7"),
}


class Missing(Exception):
    """A program can't be had here; the text says why."""


def need(*programs):
    """Raises `Missing` with those of the programs that are not installed."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise Missing(f"no {', '.join(missing)}")


def go(*names):
    """The folder with these programs, which are built if they are not there."""
    folder = FOLDER / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (folder / name).exists():
            continue
        need("go")
        package, version = MODULES[name]
        environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": ""}
        done = subprocess.run(["go", "install", "-trimpath", "-ldflags=-s -w",
                               f"{package}@{version}"], env=environment, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            raise Missing(f"{name} can't be built: {done.stderr.strip().splitlines()[-1]}")
    return folder
