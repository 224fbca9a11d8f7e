"""The sensor as a process: started in a namespace, watched, ended, and what it wrote."""

import json
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("BATELEUR_SENSOR", os.path.join(ROOT, "target/release/bateleur"))
RULES = os.path.join(ROOT, "docs/demo/demo.rules")
CAPTURE = os.path.join(ROOT, "docs/demo/demo.pcap")
# What a line of the log begins with.
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\S+Z +\w+ +[\w:]+: ", re.M)


class Failure(Exception):
    """The sensor did not do what it was asked; the text says what it said."""


class Sensor:
    """`bateleur run` in a namespace; ended when the `with` is left."""

    def __init__(self, space, interfaces, folder, method="af-xdp", workers=2, rules=None,
                 options=()):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.command = ["ip", "netns", "exec", space, PROGRAM, "run", "-i", *interfaces,
                        "-m", method, "-w", str(workers), "-o", folder, *map(str, options)]
        if rules:
            self.command += ["-r", rules]
        self.process = None

    def __enter__(self):
        for name in ("eve.json", "said.txt"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                os.remove(path)
        with open(os.path.join(self.folder, "said.txt"), "w", encoding="utf-8") as log:
            # `ip` becomes the program, so the number is the sensor's.
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while "bateleur runs" not in self.said():
            if self.process.poll() is not None:
                raise Failure(f"it ended: {self.last_line()}")
            if time.monotonic() > until:
                self.process.kill()
                raise Failure("it was not ready within 60 s")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def said(self):
        """Its messages, without their time, level and place in the program."""
        with open(os.path.join(self.folder, "said.txt"), encoding="utf-8") as log:
            return STAMP.sub("", log.read())

    def last_line(self):
        lines = self.said().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def methods(self):
        """How each interface is captured from, as the sensor tells at its start."""
        found = {}
        for line in self.said().splitlines():
            name, colon, method = line.partition(": ")
            if colon and method.startswith("af-"):
                found[name] = method
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, settle=0.6, kinds=None):
        """Ends it and gives its records, or those of some types: an hour has millions."""
        time.sleep(settle)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("it does not end on SIGINT") from None
        if self.process.returncode:
            raise Failure(f"status {self.process.returncode}: {self.last_line()}")
        return records(os.path.join(self.folder, "eve.json"), kinds)

    def threads(self):
        """CPU nanoseconds of each thread, and its name."""
        return processor_times(self.process.pid)

    def workers_cpu_ns(self):
        return sum(ns for name, ns in self.threads() if name.startswith("W#"))

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def rings_kb(self):
        """What is mapped of sockets: packet rings, and the rings of AF_XDP."""
        total, is_socket = 0, False
        with open(f"/proc/{self.process.pid}/smaps", encoding="ascii", errors="replace") as maps:
            for line in maps:
                if line.startswith("Rss:"):
                    total += int(line.split()[1]) if is_socket else 0
                elif "-" in line.split(" ", 1)[0]:
                    is_socket = "socket:" in line
        return total


def processor_times(number):
    """(name, CPU nanoseconds) of the threads of a process."""
    found = []
    folder = f"/proc/{number}/task"
    for task in os.listdir(folder):
        try:
            with open(f"{folder}/{task}/comm", encoding="utf-8") as file:
                name = file.read().strip()
            with open(f"{folder}/{task}/schedstat", encoding="ascii") as file:
                found.append((name, int(file.read().split()[0])))
        except OSError:
            continue
    return found


def replay(capture, folder, rules=None, options=()):
    """The records of a capture file."""
    os.makedirs(folder, exist_ok=True)
    eve = os.path.join(folder, "eve.json")
    if os.path.exists(eve):
        os.remove(eve)
    command = [PROGRAM, "replay", "--quiet", "-o", folder, *options]
    command += ["-r", rules] if rules else []
    # Options that take several values end before the capture.
    done = subprocess.run([*command, "--", capture], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"replay: {done.stderr.strip()}")
    return records(eve)


def records(path, kinds=None):
    marks = [f'"event_type":"{kind}"' for kind in kinds or ()]
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not marks or any(mark in line for mark in marks):
                found.append(json.loads(line))
    return found


# Where a frame can have gone: each is counted under exactly one of these names.
TERMS = ("inspected", "filtered", "nic_drops", "empty_slot", "shunted", "shed", "excluded",
         "no_memory", "ring_full", "invalid", "hand_over_full")


def capture_terms(found):
    """The capture's counters in the last statistics."""
    capture = last_statistics(found).get("capture", {})
    missing = [name for name in (*TERMS, "wire", "unaccounted") if name not in capture]
    if missing:
        raise Failure(f"stats.capture lacks {', '.join(missing)}")
    return capture


def last_statistics(found):
    """What the last record of statistics holds."""
    last = [record for record in found if record.get("event_type") == "stats"]
    if not last:
        raise Failure("no statistics were written")
    return last[-1]["stats"]
