"""Both sides of the balance: what a run of the sensor says became of its records, and what a Kafka
topic holds of them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench/live"))

SENSOR = os.environ.get("BATELEUR_SENSOR", str(ROOT / "target/release/bateleur"))
BROKER = os.environ.get("BATELEUR_KAFKA", "")
# How the sensor tells its balance at the end: of all records, and of each sink.
QUEUE = re.compile(r"events: (\d+) made, (\d+) spooled, (\d+) shed by the queue, (\d+) by the spool")
SINK = re.compile(r"^(?:bateleur: )?(\S+) \((\w+)\): (\d+) delivered, (\d+) filtered, (\d+) refused, "
                  r"(\d+) missed, (\d+) wait(?:, (\d+) sent again)?(?:; (.*))?", re.MULTILINE)
HEADER = re.compile(rb"sensor=([^,]*),worker=(\d+),sequence=(\d+)")


def consumed(topic, texts=False):
    """How often each (worker, sequence) is in the topic; with `texts`, also a record of each."""
    kcat = subprocess.Popen(
        ["kcat", "-C", "-q", "-b", BROKER, "-t", topic, "-e", "-f", "%h\t%s\n" if texts else "%h\n",
         "-X", "fetch.message.max.bytes=8000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen, kept = {}, {}
    for line in kcat.stdout:
        found = HEADER.match(line)
        if not found:
            raise RuntimeError(f"a message without numbers in {topic}: {line[:200]!r}")
        key = (int(found[2]), int(found[3]))
        seen[key] = seen.get(key, 0) + 1
        if texts:
            kept[key] = line.split(b"\t", 1)[1]
    said = kcat.stderr.read().decode(errors="replace")
    if kcat.wait() and "Unknown topic" not in said:
        raise RuntimeError(f"kcat: {said.strip()}")
    return (seen, kept) if texts else seen


def doubled(seen):
    return sum(times - 1 for times in seen.values())


def records_in(topic):
    """Roughly how many records have arrived."""
    asked = subprocess.run(["kcat", "-Q", "-b", BROKER, "-t", f"{topic}:0:-1"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found = re.search(r"offset (\d+)", asked.stdout)
    return int(found.group(1)) if found else 0


def broker(name):
    """SIGUSR1 kills the broker, SIGUSR2 starts it again."""
    os.kill(int(os.environ["BATELEUR_KAFKA_SUPERVISOR"]), getattr(signal, name))


class Told:
    """The last balance in what the sensor said."""

    def __init__(self, text):
        made, sink = QUEUE.findall(text), SINK.findall(text)
        if not made or not sink:
            raise RuntimeError(f"the sensor tells no balance: {text.strip()[-300:]}")
        self.made, self.spooled, self.queue, self.spool = map(int, made[-1])
        self.delivered, _, self.refused, self.missed, self.waits = map(int, sink[-1][2:7])
        self.again, self.why = int(sink[-1][7] or 0), sink[-1][8]

    def lost(self):
        """Records that are nowhere but in these counters."""
        return self.queue + self.spool + self.refused + self.missed


def config(spool, sink, events="file: off", interval=3600):
    """A sensor.yaml with one sink; `spool` is a folder, or one with further settings."""
    return (f"name: prover\nevents:\n  {events}\n  spool: {{directory: {spool}}}\n"
            f"  sinks:\n    - {sink}\nstatistics: {{interval: {interval}}}\n")


class Replay:
    """A replay whose records go to one sink."""

    def __init__(self, folder, capture, sink, spool="", space=None, within=300):
        self.folder = fresh(folder)
        self.said = self.folder / "said.txt"
        (self.folder / "spool").mkdir()
        self.space, self.within, self.capture = space, within, capture
        self.set_sink(sink, spool)

    def set_sink(self, sink, spool=""):
        text = config(f"{self.folder / 'spool'}{spool}", sink)
        (self.folder / "sensor.yaml").write_text(text, encoding="ascii")

    def start(self):
        words = ["ip", "netns", "exec", self.space] if self.space else []
        words += [SENSOR, "replay", "--config", self.folder / "sensor.yaml", "--output",
                  self.folder / "o", "--deliver-within", self.within, self.capture]
        with open(self.said, "ab") as said:
            return subprocess.Popen(list(map(str, words)), stdout=said, stderr=said)

    def text(self):
        return self.said.read_text(encoding="utf-8", errors="replace")

    def told(self):
        return Told(self.text())


def fresh(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    pathlib.Path(folder).mkdir(parents=True)
    return pathlib.Path(folder)


