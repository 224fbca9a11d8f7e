"""Says what is wrong with rendered objects: by the schemas of Kubernetes, those of the projects whose
definitions are used, and what every release of the chart must keep."""

import collections
import functools
import ipaddress
import json
import re

import jsonschema
import kubernetes_validate
import referencing
import yaml

import tools

KUBERNETES = "1.34"
CAPABILITIES = {"NET_RAW", "NET_ADMIN", "BPF", "PERFMON", "IPC_LOCK"}
# What a container may have of a Secret in its environment, where programs and files of pods show it: what
# Logstash and proxies take from nowhere else. Which containers have which of the release's own.
FROM_SECRETS = {"SEARCH_USER", "SEARCH_PASSWORD", "HTTPS_PROXY", "HTTP_PROXY"}
HOLDERS = {"rules-token": {"server", "follow", "rollout"}, "signing": {"bundle"}, "sources": {"update"}}
# Fields that the API server lets nobody change, by kind.
FIXED = {"DaemonSet": ["selector"], "Deployment": ["selector"], "Job": ["selector", "template"], "Service": ["clusterIP"],
         "PersistentVolumeClaim": ["accessModes", "storageClassName"], "IPPool": ["cidr", "blockSize"]}
LABEL = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


def objects(text):
    # The parser in C is many times faster, where PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, Loader=loader) if one]


def closed(schema):
    """An object's schema without room for keys that it does not name: what an API server would
    drop, or refuse when it is asked to be strict."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) if key not in ("enum", "required", "default") else value for key, value in schema.items()}
    if made.pop("x-kubernetes-int-or-string", False):
        return {"type": ["integer", "string"]}
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def foreign_schemas():
    """Schemas of the definitions by (apiVersion, kind)."""
    found = {}
    for one in tools.definitions():
        spec = one["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema.setdefault("properties", {}).update(
                {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}})
            found[(f"{spec['group']}/{version['name']}", spec["names"]["kind"])] = jsonschema.Draft202012Validator(schema)
    return found


def by_schema(found, foreign):
    """What its schema has against an object."""
    key = (found["apiVersion"], found["kind"])
    if key in foreign:
        return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in foreign[key].iter_errors(found)]
    validator = kubernetes_schema(*key)
    if validator is None:
        return [f"nobody knows {key[0]} {key[1]}"]
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(found)]


@functools.cache
def kubernetes_schema(version, kind):
    """What Kubernetes itself says of a kind, strictly; read once, as it is large."""
    folder = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict"
    known = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    try:
        schema = kubernetes_validate.utils.schema_contents(f"{folder}/{kind.lower()}-{known}.json", KUBERNETES)
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(schema, registry=kubernetes_definitions(folder))


@functools.cache
def kubernetes_definitions(folder):
    definitions = kubernetes_validate.utils.schema_contents(f"{folder}/_definitions.json", KUBERNETES)
    return referencing.Resource.from_contents(definitions) @ referencing.Registry()


def pod_of(found):
    """The pod's template of an object, if it has one."""
    spec = found.get("spec") or {}
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template")
    return template if isinstance(template, dict) and "spec" in template else None


def of_container(container, part, guaranteed):
    """What is wrong with a container of a part of the release."""
    name = container["name"]
    security = container.get("securityContext", {})
    if security.get("privileged"):
        yield f"container {name} is privileged"
    added = set(security.get("capabilities", {}).get("add", []))
    allowed = CAPABILITIES if (part, name) == ("sensor", "sensor") else set()
    if added - allowed:
        yield f"container {name} has {', '.join(sorted(added - allowed))}"
    if security.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"container {name} does not drop all capabilities"
    if not security.get("readOnlyRootFilesystem"):
        yield f"container {name} may write to its root"
    if security.get("allowPrivilegeEscalation") and not added:
        yield f"container {name} may gain privileges"
    if security.get("runAsUser") == 0 and name != "prepare":
        yield f"container {name} runs as root"
    for one in container.get("env", []):
        if "secretKeyRef" in one.get("valueFrom", {}) and one["name"] not in FROM_SECRETS:
            yield f"container {name} has a secret in its environment: {one['name']}"
    for mount in container.get("volumeMounts", []):
        if name not in HOLDERS.get(mount["name"], {name}):
            yield f"container {name} has {mount['name']}, which is not for it"
    resources = container.get("resources", {})
    least, most = resources.get("requests", {}), resources.get("limits", {})
    if not {"cpu", "memory"} <= set(most) or not {"cpu", "memory"} <= set(least):
        yield f"container {name} has no requests or limits"
    if guaranteed and least != most:
        yield f"container {name} is not guaranteed: {least} and {most}"
    for resource in most:
        if "/" in resource and least.get(resource) != most[resource]:
            yield f"container {name}: requests of {resource} differ from its limits"


def of_pod(template, values):
    spec = template["spec"]
    part = template["metadata"]["labels"]["app.kubernetes.io/component"]
    guaranteed = part != "sensor" or values["resources"]["guaranteed"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "the pod has a token of the API server"
    if spec.get("hostPID") or spec.get("hostIPC") or bool(spec.get("hostNetwork")) != (
            part == "sensor" and values["capture"]["hostNetwork"]):
        yield "the pod is in the host's namespaces"
    if spec["securityContext"].get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no filter of system calls"
    everything = spec.get("initContainers", []) + spec["containers"]
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    if len(volumes) != len(spec.get("volumes", [])):
        yield "two volumes of the pod have one name"
    for container in everything:
        yield from of_container(container, part, guaranteed)
        mounts = container.get("volumeMounts", [])
        yield from (f"container {container['name']} mounts {mount['name']}, which is no volume"
                    for mount in mounts if mount["name"] not in volumes)
        places = [(mount["mountPath"]) for mount in mounts]
        if len(set(places)) != len(places):
            yield f"container {container['name']} mounts two volumes in one place"
    if len({container["name"] for container in everything}) != len(everything):
        yield "two containers of the pod have one name"
    taken = json.loads(template["metadata"].get("annotations", {}).get("k8s.v1.cni.cncf.io/networks", "[]"))
    names = [one["interface"] for one in taken]
    if len(set(names)) != len(names) or values["eventNetwork"]["interface"] in names:
        yield f"two networks of the pod have one interface: {names}"


def of_sensor(found, values):
    """What the sensor's configuration says must be what the pod is made for."""
    settings = yaml.safe_load(found["data"]["sensor.yaml"])
    events = settings.get("events", {})
    if not values["sensor"]["config"]:
        interface = None if values["mode"] == "standalone" or values["capture"]["hostNetwork"] else (
            values["eventNetwork"]["interface"] or None)
        if events.get("interface") != interface:
            yield f"records leave by {events.get('interface')}, not by {interface}"
        if len(events["sinks"]) != 1 + len(values["extraSinks"]):
            yield "there are other sinks than those that were asked for"
        count = len(values["capture"]["hostInterfaces" if values["capture"]["hostNetwork"] else "networks"])
        if len(settings["capture"]["interfaces"]) != count:
            yield "it captures from other interfaces than it was told"


def is_everywhere(peer, given):
    """Whether a policy's other side is anybody though the values do not say so."""
    if "ipBlock" in peer:
        return f'"{peer["ipBlock"]["cidr"]}"' not in given and ipaddress.ip_network(peer["ipBlock"]["cidr"], strict=False).prefixlen == 0
    return not peer


def of_policy(found, values):
    """A policy of the sensor lets nothing in but metrics and nothing out to everybody."""
    part = found["metadata"]["labels"]["app.kubernetes.io/component"]
    spec, given = found["spec"], json.dumps(values)
    kubernetes = found["apiVersion"].startswith("networking")
    if kubernetes and sorted(spec["policyTypes"]) != ["Egress", "Ingress"]:
        yield "the policy is silent about a direction"
    if kubernetes:
        for direction, key in (("egress", "to"), ("ingress", "from")):
            for rule in spec.get(direction, []):
                peers = rule.get(key, [])
                everywhere = not peers or any(is_everywhere(peer, given) for peer in peers)
                if everywhere and not (part == "rules-update" and direction == "egress"):
                    yield f"{part}: everybody is allowed in {direction}"
                if not rule.get("ports"):
                    yield f"{part}: every port is allowed in {direction}"
    else:
        for direction in ("egress", "ingress"):
            rules = spec[direction]
            if not rules or rules[-1] != {"action": "Deny"}:
                yield f"{part}: {direction} does not end with a refusal"
            for rule in rules[:-1]:
                other = rule.get("destination" if direction == "egress" else "source", {})
                everywhere = not other.get("nets") and "namespaceSelector" not in other
                everywhere |= any(net.endswith("/0") and f'"{net}"' not in given for net in other.get("nets", []))
                if everywhere and not (part == "rules-update" and direction == "egress"):
                    yield f"{part}: everybody is allowed in {direction}"
                if not rule["destination"].get("ports"):
                    yield f"{part}: every port is allowed in {direction}"
    if part == "sensor":
        asked = [rule for rule in spec["ingress"] if rule != {"action": "Deny"}]
        ports = [port["port"] if kubernetes else port for rule in asked
                 for port in (rule["ports"] if kubernetes else rule["destination"]["ports"])]
        if set(ports) != {values["metrics"]["port"]} or len(asked) != 1 + bool(values["eventNetwork"]["policy"]["monitoringCidrs"]):
            yield "something else than metrics may be asked for, or by others"


def faults(text, values, foreign):
    """All that is wrong with what was rendered of these values (defaults and what was given)."""
    found = objects(text)
    wrong = []
    names = collections.Counter((one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found)
    wrong += [f"{kind} {name} is there {times} times" for (kind, _, name), times in names.items() if times > 1]
    for one in found:
        where = f"{one['kind']} {one['metadata']['name']}"
        said = list(by_schema(one, foreign))
        if not NAME.match(one["metadata"]["name"]) or len(one["metadata"]["name"]) > 63:
            said.append("its name is none")
        said += [f"label {key}: `{value}`" for key, value in one["metadata"].get("labels", {}).items()
                 if not isinstance(value, str) or not LABEL.match(value)]
        template = pod_of(one)
        if template:
            said += of_pod(template, values)
        if one["kind"] == "ConfigMap" and "sensor.yaml" in (one.get("data") or {}) and (
                one["metadata"]["labels"]["app.kubernetes.io/component"] == "sensor"):
            said += of_sensor(one, values)
        if one["kind"] in ("NetworkPolicy", "GlobalNetworkPolicy"):
            said += of_policy(one, values)
        for kind in ("serviceMonitor", "podMonitor", "prometheusRule"):
            if one["kind"] == kind[0].upper() + kind[1:]:
                said += [f"its label {key} is missing" for key in values["metrics"][kind]["labels"]
                         if key not in one["metadata"]["labels"]]
        if one["kind"] == "NetworkAttachmentDefinition":
            said += [] if json.loads(one["spec"]["config"]).get("type") else ["its configuration has no type"]
        wrong += [f"{where}: {fault}" for fault in said]
    if values["eventNetwork"]["policy"]["kind"] != "none" and not values["capture"]["hostNetwork"]:
        if not any("NetworkPolicy" in one["kind"] and one["metadata"]["labels"]["app.kubernetes.io/component"] == "sensor" for one in found):
            wrong.append("the sensor has no policy")
    return wrong


def fixed(text):
    """What an upgrade must not change, by object and field."""
    found = {}
    for one in objects(text):
        for field in FIXED.get(one["kind"], []):
            found[f"{one['kind']} {one['metadata']['name']}: spec.{field}"] = one["spec"].get(field)
    return found


def merged(defaults, given):
    """Values as Helm merges them."""
    made = dict(defaults)
    for key, value in (given or {}).items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = merged(made[key], value)
        else:
            made[key] = value
    return made
