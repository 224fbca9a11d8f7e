"""Says what is wrong with rendered objects: by the schemas of Kubernetes, those of the projects whose
definitions are used, and what every release of the chart must keep."""

import collections
import ipaddress
import json
import re

import jsonschema
import kubernetes_validate
import yaml

import tools

KUBERNETES = "1.34"
CAPABILITIES = {"NET_RAW", "NET_ADMIN", "BPF", "PERFMON", "IPC_LOCK"}
LABEL = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


def objects(text):
    return [one for one in yaml.safe_load_all(text) if one]


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
    try:
        kubernetes_validate.validate(found, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return [f"nobody knows {key[0]} {key[1]}"]
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


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


def is_everywhere(peer):
    """Whether a policy's other side is anybody."""
    if "ipBlock" in peer:
        return ipaddress.ip_network(peer["ipBlock"]["cidr"], strict=False).prefixlen == 0
    return not peer


def of_policy(found):
    """A policy of the sensor lets nothing in but metrics and nothing out to everybody."""
    part = found["metadata"]["labels"]["app.kubernetes.io/component"]
    spec = found["spec"]
    kubernetes = found["apiVersion"].startswith("networking")
    if kubernetes and sorted(spec["policyTypes"]) != ["Egress", "Ingress"]:
        yield "the policy is silent about a direction"
    if kubernetes:
        for direction, key in (("egress", "to"), ("ingress", "from")):
            for rule in spec.get(direction, []):
                peers = rule.get(key, [])
                everywhere = not peers or any(map(is_everywhere, peers))
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
                everywhere |= any(net.endswith("/0") for net in other.get("nets", []))
                if everywhere and not (part == "rules-update" and direction == "egress"):
                    yield f"{part}: everybody is allowed in {direction}"
                if not rule["destination"].get("ports"):
                    yield f"{part}: every port is allowed in {direction}"
    if part == "sensor" and len(spec["ingress"]) > (1 if kubernetes else 2):
        yield "more than metrics may be asked for"


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
        if one["kind"] == "ConfigMap" and "sensor.yaml" in (one.get("data") or {}):
            said += of_sensor(one, values)
        if one["kind"] in ("NetworkPolicy", "GlobalNetworkPolicy"):
            said += of_policy(one)
        if one["kind"] == "NetworkAttachmentDefinition":
            said += [] if json.loads(one["spec"]["config"]).get("type") else ["its configuration has no type"]
        wrong += [f"{where}: {fault}" for fault in said]
    if values["eventNetwork"]["policy"]["kind"] != "none" and not values["capture"]["hostNetwork"]:
        if not any("NetworkPolicy" in one["kind"] and one["metadata"]["labels"]["app.kubernetes.io/component"] == "sensor" for one in found):
            wrong.append("the sensor has no policy")
    return wrong


def merged(defaults, given):
    """Values as Helm merges them."""
    made = dict(defaults)
    for key, value in (given or {}).items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = merged(made[key], value)
        else:
            made[key] = value
    return made
