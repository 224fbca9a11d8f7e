"""Runs the example `deliver` and reads what it tells."""

import json
import subprocess
import tempfile


def distinct_lines(file):
    with open(file, "rb") as lines:
        return len({line.rstrip(b"\n") for line in lines})


def start(program, sink, file, *more):
    config = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
    config.write(sink + "\n")
    config.close()
    return subprocess.Popen([program, config.name, file, *more], stdout=subprocess.PIPE, text=True)


def finish(process):
    text = process.communicate()[0]
    told = dict(word.split("=") for word in text.split())
    told["status"] = process.returncode
    return told


def run(program, sink, file, *more):
    return finish(start(program, sink, file, *more))


def say(what, told, wanted, found, may_lose=False):
    """One line of figures; 1 when records are missing."""
    holds = told["status"] == 0 and told.get("refused") == "0" and found >= wanted
    verdict = "holds" if holds else "some lost" if may_lose else "falls short"
    keep = {key: told.get(key) for key in ("delivered", "refused", "again", "troubles", "seconds",
                                           "cpu", "rate")}
    print(f"{what}: {wanted} records, {found} at the receiver: {json.dumps(keep)}: {verdict}",
          flush=True)
    return 0 if holds or may_lose else 1
