"""Renders every set of values and compares it with its golden file; renders what must be refused."""

import difflib
import os
import pathlib
import subprocess

TESTS = pathlib.Path(__file__).resolve().parent
CHART = TESTS.parent / "bateleur"
# The API server's version that templates are rendered for.
KUBERNETES = "1.34.2"


def render(helm, values, chart=CHART, release="sensors"):
    """What `helm template` has to say: text, or None and the reason."""
    done = subprocess.run([helm, "template", release, str(chart), "--namespace", "sensors", "--kube-version",
                           KUBERNETES, "--values", str(values)], capture_output=True, text=True, check=False)
    return (done.stdout, "") if done.returncode == 0 else (None, done.stderr.strip())


def sets(folder="values"):
    return sorted((TESTS / folder).glob("*.yaml"))


def given():
    """All values that the repository has: those of the tests and those of the pipelines."""
    return [*sets(), *sorted((TESTS.parents[1] / "ci").glob("*.yaml"))]


def check(helm):
    """What differs from golden files, which are written anew with UPDATE_GOLDEN=1; with UPDATE_GOLDEN=anew
    also where an upgrade could not follow."""
    import valid
    wrong = []
    for values in sets():
        golden = TESTS / "golden" / values.name
        text, why = render(helm, values)
        if text is None:
            wrong.append(f"{values.name} is refused: {why}")
        elif os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            before = valid.fixed(golden.read_text(encoding="utf-8")) if golden.exists() else {}
            after = valid.fixed(text)
            changed = [f"{values.name}: {what} cannot be changed by an upgrade" for what in before
                       if what in after and before[what] != after[what]]
            wrong += changed
            if not changed or os.environ["UPDATE_GOLDEN"] == "anew":
                golden.write_text(text, encoding="utf-8")
        elif not golden.exists():
            wrong.append(f"{values.name} has no golden file")
        elif golden.read_text(encoding="utf-8") != text:
            lines = difflib.unified_diff(golden.read_text(encoding="utf-8").splitlines(), text.splitlines(), "golden", "now", lineterm="", n=1)
            wrong.append(f"{values.name} differs:\n  " + "\n  ".join(list(lines)[:20]))
    for stale in set(path.name for path in sets("golden")) - set(path.name for path in sets()):
        wrong.append(f"golden/{stale} has no values")
    return wrong


def check_refused(helm):
    """What is accepted though it must not be, or refused for another reason than the one in line 1."""
    wrong = []
    for values in sets("refused"):
        expected = values.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        text, why = render(helm, values)
        if text is not None:
            wrong.append(f"{values.name} is accepted")
        elif expected not in why:
            wrong.append(f"{values.name} is refused, but not with `{expected}`: {why}")
    return wrong
