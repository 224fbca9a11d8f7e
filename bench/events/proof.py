"""What the proofs of this folder share: the sensor, the traffic, a replay with sinks, and lines of
figures: `N. what: figure: holds|falls short|skipped (why)`.

Environment: BATELEUR_SENSOR (target/release/bateleur), BATELEUR_TRAFFIC (a capture, or a folder with
mix.pcap; docs/demo/demo.pcap otherwise), BATELEUR_RULES (a file or pattern of rules; the archive
rules/etopen-2025-composite.tar.gz in BATELEUR_SHARED otherwise, else docs/demo/demo.rules).
"""

import collections
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tarfile
import time

from balance import QUEUE, SINK

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("BATELEUR_SHARED", ROOT.parent / "shared"))
SENSOR = os.environ.get("BATELEUR_SENSOR", str(ROOT / "target/release/bateleur"))
Told = collections.namedtuple("Told", "made spooled shed_queue shed_spool delivered filtered refused "
                                      "missed waits again")


class Judge:
    """Prints lines, and knows whether one fell short."""

    def __init__(self, number):
        self.number, self.good = number, True

    def say(self, what, figure, holds):
        print(f"{self.number}. {what}: {figure}: {'holds' if holds else 'falls short'}", flush=True)
        self.good &= bool(holds)

    def skip(self, what, why):
        print(f"{self.number}. {what}: skipped ({why})", flush=True)

    def end(self):
        sys.exit(0 if self.good else 1)


def capture():
    """The capture to replay."""
    given = pathlib.Path(os.environ.get("BATELEUR_TRAFFIC", ROOT / "docs/demo/demo.pcap"))
    return given / "mix.pcap" if given.is_dir() else given


def missing():
    """Why nothing can be proved here, if it can't."""
    if not os.access(SENSOR, os.X_OK):
        return f"there is no {SENSOR}; BATELEUR_SENSOR names the sensor"
    if not capture().is_file():
        return f"there is no {capture()}; BATELEUR_TRAFFIC names a capture"
    return None


def rules(folder):
    """Rules for the replay, unpacked below a folder where they are an archive."""
    given = os.environ.get("BATELEUR_RULES")
    if given:
        return given
    archive = SHARED / "rules/etopen-2025-composite.tar.gz"
    if not archive.is_file():
        return str(ROOT / "docs/demo/demo.rules")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "rules", filter="data")
    found = sorted((folder / "rules").rglob("*.rules"))
    return str(found[0].parent / "*.rules")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(true, seconds, pause=0.05):
    """Waits until something is true; whether it became so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


class Replay:
    """A replay with one sink, and the same records in a file to compare with."""

    def __init__(self, folder, name, sink, patterns="", within=300, more=()):
        self.folder = folder / name
        self.folder.mkdir()
        config = self.folder / "sensor.yaml"
        config.write_text("name: prover\nevents:\n  file: eve.json\n  payload: true\n"
                          f"  spool: {{directory: {self.folder / 'spool'}}}\n"
                          f"  sinks:\n    - {sink}\n", encoding="utf-8")
        self.words = [SENSOR, "replay", "--config", str(config), "--output", str(self.folder / "o"),
                      "--deliver-within", str(within), *more, str(capture())]
        if patterns:
            self.words += ["--rules", patterns]
        self.said = self.folder / "said.txt"
        self.process, self.status, self.began, self.seconds = None, None, 0, 0

    def start(self):
        self.began = time.monotonic()
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(self.words, stdout=said, stderr=said)
        return self

    def is_running(self):
        return self.process.poll() is None

    def finish(self):
        self.status = self.process.wait()
        self.seconds = time.monotonic() - self.began
        return self.told()

    def told(self):
        """The balance that it printed last."""
        text = self.said.read_text(encoding="utf-8", errors="replace")
        made, sink = QUEUE.findall(text), SINK.findall(text)
        if not made or not sink:
            raise RuntimeError(f"the sensor says no balance: {text[-400:]}")
        return Told(*(int(number or 0) for number in made[-1] + sink[-1][2:8]))

    def records(self):
        """How often each record is in the file."""
        with open(self.folder / "o/eve.json", "rb") as lines:
            return collections.Counter(digest(line) for line in lines)

    def kinds(self):
        """How many records of each type are in the file."""
        with open(self.folder / "o/eve.json", "rb") as lines:
            return collections.Counter(json.loads(line)["event_type"] for line in lines)


def digest(line):
    return hashlib.blake2b(line.strip(), digest_size=12).digest()


def differences(wanted, found):
    """Records that are missing, that came more often than they were made, and that nobody made."""
    lost = sum((wanted - found).values())
    strangers = sum(count for record, count in found.items() if record not in wanted)
    return lost, sum((found - wanted).values()) - strangers, strangers


def judge(judged, what, replay, found, may_double=False):
    """Compares what arrived with what was made: nothing lost, and doubled only what was told."""
    told = replay.finish() if replay.status is None else replay.told()
    wanted = replay.records()
    made = sum(wanted.values())
    lost, doubled, strangers = differences(wanted, found)
    figure = (f"{lost} lost, {doubled} doubled of {made}; {told.delivered} delivered, {told.refused} refused, "
              f"{told.again} offered again, {replay.seconds:.1f} s")
    if strangers:
        figure += f", {strangers} unknown"
    twice = doubled <= told.again if may_double else doubled == 0
    judged.say(what, figure, replay.status == 0 and made > 0 and made == told.made and lost == 0 and twice
               and strangers == 0 and told.refused == 0 and told.delivered == made)
