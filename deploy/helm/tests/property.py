"""Renders random values, made from the schema: they render and what comes out is right, or they are
refused with a reason; never a template that breaks."""

import json
import os
import pathlib
import re
import tempfile

import hypothesis
import yaml
from hypothesis import strategies as st

import golden
import tools
import valid

TYPES = {
    "sriov": {"resource", "vlan", "vlanQoS", "vlanProto", "trust", "spoofCheck", "linkState", "operator", "mtu", "existing", "count"},
    "host-device": {"device", "pciAddress", "existing"},
    "macvlan": {"device", "mode", "mtu", "existing"},
    "ovs": {"device", "vlan", "trunk", "mtu", "existing", "count"},
    "afxdp": {"resource", "count"},
}
EVERY = {"name", "interface", "method", "queues"}
# One of these, where a type has them.
ONE_OF = {"sriov": ("resource", "operator"), "host-device": ("device", "pciAddress")}


def text(schema):
    """Texts of a pattern, and short ones."""
    if "pattern" in schema:
        most = schema.get("maxLength", 60)
        pattern = re.compile(schema["pattern"].replace("{0,128}", "{0,20}").replace("{0,251}", "{0,20}"), re.ASCII)
        return st.from_regex(pattern, fullmatch=True).filter(lambda made: len(made) <= most and "\n" not in made and made.isascii())
    return st.text(alphabet="abcxyz019-._/:$!#'\"{}[] ", min_size=schema.get("minLength", 0), max_size=20)


def of(schema, path=""):
    """Values that a schema allows. Free maps and lists of objects go into the output as they are, so
    nothing can be said of them: they stay empty."""
    if path == "capture.networks[]":
        return network(schema)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema and "type" not in schema:
        return st.one_of([of(one, path) for one in schema["oneOf"]])
    kind = schema["type"]
    if isinstance(kind, list):
        return st.one_of([of({**schema, "type": one}, path) for one in kind])
    if kind == "object":
        return of_object(schema, path)
    if kind == "array":
        items = schema["items"]
        if items == {"type": "object"} or path == "sriov.devicePlugin.resourceList":
            return st.just([])
        return st.lists(of(items, f"{path}[]"), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 2_000_000))
    if kind == "number":
        return st.floats(schema.get("minimum", 0), schema.get("maximum", 1), allow_nan=False)
    return {"string": lambda: text(schema), "boolean": st.booleans, "null": st.none}[kind]()


def of_object(schema, path):
    properties = {key: value for key, value in schema.get("properties", {}).items() if key != "global"}
    if not properties:
        more = schema.get("additionalProperties")
        if not isinstance(more, dict):
            return st.just({})
        keys = text({**schema.get("propertyNames", {}), "minLength": 1})
        return st.dictionaries(keys, of(more), max_size=2)
    below = {key: of(value, f"{path}.{key}" if path else key) for key, value in properties.items()}
    needed = set(schema.get("required", []))
    if path and not needed and schema.get("additionalProperties") is False:
        return st.fixed_dictionaries({}, optional=below)
    return st.fixed_dictionaries({key: below[key] for key in needed},
                                 optional={key: value for key, value in below.items() if key not in needed})


@st.composite
def network(draw, schema):
    """A network with keys of its type, and now and then one that is not."""
    below = schema["properties"]
    kind = draw(st.sampled_from(sorted(TYPES)))
    keys = sorted(key for key in TYPES[kind] | EVERY if key not in ONE_OF.get(kind, ()))
    made = {"name": draw(of(below["name"])), "type": kind}
    for key in keys:
        if key in ("device", "resource") or (key not in made and draw(st.booleans())):
            made[key] = draw(of(below[key]))
    if kind in ONE_OF and "existing" not in made or kind == "sriov":
        key = draw(st.sampled_from(ONE_OF[kind]))
        made[key] = draw(of(below[key]))
        if key == "operator":
            made.pop("existing", None)
            made[key]["pfNames"] = ["ens1f0"]
    if "vlanQoS" in made and not made.get("vlan"):
        del made["vlanQoS"]
    if draw(st.integers(0, 9)) == 0:
        stray = draw(st.sampled_from(sorted(set(below) - {"config"})))
        made[stray] = draw(of(below[stray]))
    return made


def check(helm, examples):
    """What is wrong, and how many were rendered and refused."""
    schema = json.loads((golden.CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((golden.CHART / "values.yaml").read_text(encoding="utf-8"))
    foreign = valid.foreign_schemas()
    count = {"rendered": 0, "refused": 0}
    # Whole parts at their defaults most of the time, or nothing would ever be accepted.
    parts = {key: of(value, key) for key, value in schema["properties"].items() if key != "global"}
    values = st.lists(st.sampled_from(sorted(parts)), max_size=5, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: parts[key] for key in keys}))

    # What fails is told as it was made: to make it smaller takes longer than to read it.
    @hypothesis.settings(max_examples=examples, deadline=None, database=None, derandomize=True, print_blob=False,
                         phases=[hypothesis.Phase.generate], report_multiple_bugs=False, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(values)
    def holds(given):
        with tempfile.TemporaryDirectory() as work:
            path = pathlib.Path(work) / "values.yaml"
            path.write_text(json.dumps(given), encoding="utf-8")
            made, why = golden.render(helm, path)
        if made is None:
            count["refused"] += 1
            expected = "specifications of the schema" in why or "execution error at" in why
            assert expected, f"a template breaks: {why}\n{json.dumps(given)}"
            return
        count["rendered"] += 1
        wrong = valid.faults(made, valid.merged(defaults, given), foreign)
        assert not wrong, "\n".join(wrong) + f"\n{json.dumps(given)}"

    try:
        holds()
    except Exception as error:  # Whatever it is, it is the finding.
        return [str(error)], count
    if not count["rendered"]:
        return ["nothing was rendered"], count
    return [], count


def examples():
    return int(os.environ.get("BATELEUR_EXAMPLES", "200"))

