"""A real Kubernetes API server with etcd, without nodes: built from Go modules, run on loopback.

Programs lie in target/tools/kubernetes, or in BATELEUR_KUBERNETES. The first build takes some five
minutes on two cores and a gigabyte of Go's caches.
"""

import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("BATELEUR_KUBERNETES", ROOT / "target" / "tools" / "kubernetes"))
KUBERNETES = "1.34.2"
ETCD = "3.5.21"
PROGRAMS = ("kube-apiserver", "kubectl", "etcd")


class Missing(Exception):
    """Why there can be no API server here."""


def go(folder, *arguments):
    """Runs go; the module of the folder may change."""
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    done = subprocess.run(["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"go {arguments[0]} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout


def build():
    """Makes the programs that are not there yet."""
    if all((FOLDER / name).exists() for name in PROGRAMS):
        return
    for name in ("go", "openssl"):
        if not shutil.which(name):
            raise Missing(f"no {name}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        build_kubernetes(pathlib.Path(work))
    with tempfile.TemporaryDirectory() as work:
        if not (FOLDER / "etcd").exists():
            go(work, "mod", "init", "etcd")
            go(work, "mod", "edit", "-require", f"go.etcd.io/etcd/server/v3@v{ETCD}")
            go(work, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(FOLDER.resolve() / "etcd"), "go.etcd.io/etcd/server/v3")


def build_kubernetes(work):
    go(work, "mod", "init", "apiserver")
    got = json.loads(go(work, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
    manifest = (pathlib.Path(got["Dir"]) / "go.mod").read_text(encoding="utf-8")
    # It has parts of itself as folders beside it; as modules they have the versions 0.MINOR.PATCH.
    for part in sorted(set(re.findall(r"(k8s\.io/[a-z-]+) v0\.0\.0\s", manifest))):
        go(work, "mod", "edit", "-replace", f"{part}={part}@v{KUBERNETES.replace('1.', '0.', 1)}")
    go(work, "mod", "edit", "-require", f"k8s.io/kubernetes@v{KUBERNETES}")
    version = "k8s.io/component-base/version"
    flags = (f"-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor=1 "
             f"-X {version}.gitMinor={KUBERNETES.split('.')[1]}")
    for name in ("kube-apiserver", "kubectl"):
        if not (FOLDER / name).exists():
            go(work, "build", "-trimpath", "-ldflags", flags, "-o", str(FOLDER.resolve() / name), f"k8s.io/kubernetes/cmd/{name}")


def free_ports(count):
    """Ports that nobody has; each is free when it is returned."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """The running server; ends with the context."""

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        self.environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def kubectl(self, *arguments, text=None):
        """Runs kubectl: (status, output, errors)."""
        done = subprocess.run([str(FOLDER / "kubectl"), *arguments], env=self.environment, input=text,
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.strip()

    def must(self, *arguments, text=None):
        """Runs kubectl, which must succeed."""
        status, output, errors = self.kubectl(*arguments, text=text)
        if status:
            raise RuntimeError(f"kubectl {' '.join(arguments[:4])}: {errors}")
        return output


@contextlib.contextmanager
def running():
    """A server, ready, empty."""
    build()
    with tempfile.TemporaryDirectory() as work, contextlib.ExitStack() as stack:
        folder = pathlib.Path(work)
        port, client, peer = free_ports(3)
        token = secrets.token_hex(16)
        (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n", encoding="utf-8")
        subprocess.run(["openssl", "genrsa", "-out", "accounts.key", "2048"], cwd=folder, check=True, capture_output=True)
        commands = [
            ["etcd", "--data-dir", "etcd", "--log-level", "warn", "--unsafe-no-fsync",
             "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
             "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-cluster", f"default=http://127.0.0.1:{peer}"],
            ["kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{client}", "--secure-port", str(port),
             "--bind-address", "127.0.0.1", "--cert-dir", "certificates", "--token-auth-file", "tokens.csv",
             "--service-account-issuer", "https://bateleur.test", "--service-account-key-file", "accounts.key",
             "--service-account-signing-key-file", "accounts.key", "--authorization-mode", "RBAC",
             "--service-cluster-ip-range", "10.96.0.0/16",
             # Its finalizers are taken away by a controller, and there is none here.
             "--disable-admission-plugins", "StorageObjectInUseProtection"]]
        for command in commands:
            log = stack.enter_context(open(folder / f"{command[0]}.log", "wb"))
            process = subprocess.Popen([str((FOLDER / command[0]).resolve()), *command[1:]], cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}), encoding="utf-8")
        kubeconfig.chmod(0o600)
        cluster = Cluster(kubeconfig)
        until = time.monotonic() + 90
        while cluster.kubectl("get", "--raw", "/readyz")[0]:
            if time.monotonic() > until:
                raise Missing("the API server is not ready after 90 s")
            time.sleep(0.3)
        yield cluster
