"""Runs the roll-out's script, as the chart renders it, by the runner's shell against a real rule
server: what it begins, what it leaves alone, and that it tells the token to nobody."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import golden
import tools
import valid

VALUES = golden.TESTS / "values" / "rules-staged.yaml"
TOKEN = "b8f2-a-word-that-nobody-says"
SENSORS = ("a", "b", "c", "d")


class Place:
    """A store, a layout, a rule server and the script with the environment of its container."""

    def __init__(self, program, shell, folder):
        self.program, self.shell, self.folder = program, shell, pathlib.Path(folder)
        self.bundle = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        text, why = golden.render(tools.helm(), VALUES)
        if text is None:
            raise ValueError(why)
        found = valid.objects(text)
        script = next(one["data"]["rollout.sh"] for one in found if one["kind"] == "ConfigMap" and "rollout.sh" in one["data"])
        job = next(one for one in found if one["kind"] == "CronJob")
        container = valid.pod_of(job)["spec"]["containers"][0]
        self.environment = {one["name"]: one["value"] for one in container["env"]}
        (self.folder / "rollout.sh").write_text(script, encoding="utf-8")
        (self.folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
        (self.folder / "sensor.yaml").write_text(json.dumps({"rules": {
            "store": {"directory": "store"}, "update": {"sources": [{"name": "own", "path": "own.rules"}]}}}), encoding="utf-8")
        self.rules("keygen", "--secret", "rules.key", "--public", "rules.pub")

    def rules(self, *words):
        done = subprocess.run([self.program, "rules", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"rules {words[0]}: {done.stderr.strip()}")
        return done.stdout

    @contextlib.contextmanager
    def server(self):
        (self.folder / "layout").mkdir()
        process = subprocess.Popen([self.program, "rules", "serve", "--directory", "layout", "--listen", f"127.0.0.1:{self.port}",
                                    "--token", "token"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def made(self, number):
        """A new set of rules, bundled; its sum."""
        (self.folder / "own.rules").write_text(f'alert tcp any any -> any any (msg:"{number}"; sid:{number};)\n', encoding="utf-8")
        self.rules("update", "--config", "sensor.yaml")
        self.bundle = json.loads(self.rules("bundle", "--store", "store", "--key", "rules.key", "--out", "layout", "--json"))["bundle"]
        return self.bundle

    def ask(self, method, path, body=None):
        """What the server says, as a sensor or the house would ask it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {TOKEN}"})
        return json.loads(connection.getresponse().read())

    def sensors(self, state="in-force", names=SENSORS):
        """Sensors ask what they are to have, and say what became of it."""
        for name in names:
            wanted = self.ask("GET", f"/v1/channels/default.json?sensor={name}").get("bundle")
            if wanted:
                has = wanted if state == "in-force" else None
                self.ask("POST", "/v1/receipts", {"sensor": name, "channel": "default", "bundle": has, "version": 1 if has else None,
                                                  "state": state, "wanted": wanted, "reason": "" if has else 'it says "no", {no}'})

    def script(self, **changed):
        """The script's status and what it says."""
        environment = {**self.environment, "STORE": str(self.folder / "store"), "SERVER": "127.0.0.1", "PORT": str(self.port),
                       "TOKEN": str(self.folder / "token"), "SOAK": "0", "WAIT": "0", "PATIENCE": "60", **changed, "PATH": os.environ["PATH"]}
        done = subprocess.run([*self.shell, str(self.folder / "rollout.sh")], env=environment, capture_output=True, text=True,
                              check=False, timeout=300)
        return done.returncode, (done.stdout + done.stderr).strip()


@contextlib.contextmanager
def later(what, times):
    """Does something while something else goes on."""
    thread = threading.Thread(target=lambda: [what() for _ in range(times)])
    thread.start()
    yield
    thread.join()


def story(place):
    """(what, status and part of the words that are expected, what the script says)."""
    first = place.made(1)
    yield "the first bundle", 0, "in stages: 100 %", place.script()
    place.sensors()
    yield "what all have", 0, f"channel default has bundle {first} already", place.script()
    second = place.made(2)
    yield "no token", 1, "is not rolled out: a token is wanted", place.script(TOKEN="")
    yield "in stages", 0, f"bundle {second} is rolled out in stages: 5,25,100 %", place.script()
    before = str(place.folder / "before")
    shutil.copytree(place.folder / "store", before, symlinks=True)
    third = place.made(3)
    yield "one that has to wait", 0, f"bundle {third} has to wait", place.script()
    yield "what is under way already", 0, f"the roll-out of bundle {second} is under way", place.script(STORE=before)
    yield "no end in time", 1, "has not ended after 5 s", place.script(STORE=before, WAIT="5")
    with later(place.sensors, 3):
        yield "to its end", 0, f"all sensors have bundle {second}", place.script(STORE=before, WAIT="60")
    yield "one that is refused", 0, f"bundle {third} is rolled out", place.script(FAILURES="1")
    place.sensors("refused")
    yield "is stopped", 1, "is stopped (", place.script()
    yield "with the reason", 1, 'it says \\"no\\", {no}', place.script(WAIT="30")
    place.ask("POST", "/v1/rollouts/default", {"order": "back"})
    yield "is not begun again once it was taken back", 0, "was taken back", place.script()
    yield "a server that is not there", 1, "does not answer", place.script(PORT="1", PATIENCE="5")


def check(program):
    """What is wrong, and how many runs of the script were looked at."""
    if not program:
        raise tools.Missing("no BATELEUR_SENSOR")
    tools.need("busybox")
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(program, [shutil.which("busybox"), "sh"], folder)
        with place.server():
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    place.ask("GET", "/healthz")
                    break
                except OSError:
                    time.sleep(0.1)
            for what, status, part, (got, said) in story(place):
                count += 1
                if got != status or part not in said:
                    wrong.append(f"{what}: status {got}, `{said}`; expected {status}, `{part}`")
                if TOKEN in said:
                    wrong.append(f"{what}: the token is told")
    return wrong, count
