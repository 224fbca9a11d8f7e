"""Fetches what the tests need, with pinned versions, into target/tools (or BATELEUR_TOOLS)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import_error = None
try:
    import yaml
except ImportError as error:
    import_error = error

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = pathlib.Path(os.environ.get("BATELEUR_TOOLS", ROOT / "target" / "tools"))

HELM = "helm.sh/helm/v3/cmd/helm@v3.17.3"
PYTHON = ["PyYAML==6.0.3", "jsonschema==4.26.0", "hypothesis==6.170.15", "kubernetes-validate==1.37.0"]
# Projects whose definitions are used, as Go modules: module, version, files.
DEFINITIONS = [
    ("github.com/k8snetworkplumbingwg/network-attachment-definition-client", "v1.7.7",
     ["artifacts/networks-crd.yaml"]),
    ("github.com/k8snetworkplumbingwg/sriov-network-operator", "v1.5.0",
     ["config/crd/bases/sriovnetwork.openshift.io_sriovnetworknodepolicies.yaml",
      "config/crd/bases/sriovnetwork.openshift.io_sriovnetworks.yaml"]),
    ("github.com/prometheus-operator/prometheus-operator", "v0.85.0",
     [f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
      for kind in ("servicemonitors", "podmonitors", "prometheusrules")]),
    ("github.com/projectcalico/calico", "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520",
     [f"libcalico-go/config/crd/crd.projectcalico.org_{kind}.yaml"
      for kind in ("ippools", "networkpolicies", "globalnetworkpolicies")]),
]
# Strimzi makes its definitions of its Java classes.
STRIMZI = "0.45.0"
STRIMZI_CLASSES = ["kafka.Kafka", "nodepool.KafkaNodePool", "topic.KafkaTopic", "user.KafkaUser"]


class Missing(Exception):
    """What cannot be had here, and why."""


def need(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise Missing(f"no {', '.join(missing)}")


def run(arguments, **more):
    """Runs a program; what it said last is the reason if it fails."""
    done = subprocess.run([str(one) for one in arguments], capture_output=True, text=True, check=False, **more)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["without a word"]
        raise Missing(f"{arguments[0]} {arguments[1]} failed: {said[-1]}")
    return done.stdout


def helm():
    """The path of helm."""
    path = FOLDER / "bin" / "helm"
    if not path.exists():
        need("go")
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["go", "install", HELM], env={**os.environ, "GOBIN": str(path.parent.resolve())})
    return str(path)


def python():
    """The path of a Python that has the packages."""
    path = FOLDER / "venv" / "bin" / "python"
    if not path.exists():
        need("python3")
        run([sys.executable, "-m", "venv", path.parent.parent])
        run([path, "-m", "pip", "install", "--quiet", *PYTHON])
    return str(path)


def enter():
    """Goes on in the Python that has the packages."""
    wanted = python()
    if import_error is not None or pathlib.Path(sys.prefix).resolve() != pathlib.Path(wanted).parent.parent.resolve():
        os.execv(wanted, [wanted, *sys.argv])


def for_calico(definition):
    """Calico's API server serves projectcalico.org/v3; what it stores has the same spec under
    another group. Without that server the definitions are made of the stored ones."""
    spec = definition["spec"]
    spec["group"] = "projectcalico.org"
    definition["metadata"] = {"name": f"{spec['names']['plural']}.projectcalico.org"}
    for version in spec["versions"]:
        version["name"] = "v3"
    return definition


def definitions():
    """The CustomResourceDefinitions that the chart's objects and deploy/kafka are of."""
    folder = FOLDER / "crds"
    stamp = folder / "made-of"
    wanted = json.dumps([DEFINITIONS, STRIMZI, STRIMZI_CLASSES])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        need("go")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for module, version, files in DEFINITIONS:
            got = json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], cwd=folder))
            for name in files:
                text = (pathlib.Path(got["Dir"]) / name).read_text(encoding="utf-8")
                made = yaml.safe_load(text)
                if "projectcalico" in module:
                    made = for_calico(made)
                keep(folder, made)
        strimzi(folder)
        stamp.write_text(wanted, encoding="utf-8")
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def keep(folder, definition):
    (folder / f"{definition['metadata']['name']}.json").write_text(json.dumps(definition), encoding="utf-8")


def strimzi(folder):
    """Makes Strimzi's definitions with its own generator."""
    need("java", "mvn")
    work = folder / "strimzi"
    work.mkdir()
    (work / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>crds</groupId><artifactId>crds</artifactId>"
        "<version>1</version><dependencies><dependency><groupId>io.strimzi</groupId><artifactId>api</artifactId>"
        f"<version>{STRIMZI}</version></dependency></dependencies></project>\n", encoding="utf-8")
    run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], cwd=work)
    run(["mvn", "-q", "-B", "dependency:copy", f"-Dartifact=io.strimzi:crd-generator:{STRIMZI}", "-DoutputDirectory=lib"], cwd=work)
    for name in STRIMZI_CLASSES:
        made = (work / f"{name}.yaml").resolve()
        run(["java", "-cp", "lib/*", "io.strimzi.crdgenerator.CrdGenerator", f"io.strimzi.api.kafka.model.{name}={made}"], cwd=work)
        keep(folder, json.loads(made.read_text(encoding="utf-8")))
    shutil.rmtree(work)
