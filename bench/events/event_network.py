"""A namespace for a sensor with an event NIC (e0) whose other end is on this host, and, on wish, a
capture NIC (s0) whose other end (g0) is in a namespace of its own, from where traffic is sent."""

import os
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

from network import Network, run  # pylint: disable=wrong-import-position


class EventNetwork:
    """Gone when the `with` is left. Addresses are of 198.18.0.0/15, which is there for tests."""

    def __init__(self, number=None):
        number = os.getpid() if number is None else number
        self.space = f"ble-{number}"
        self.link = f"ble{number % 10**9}"
        # A /30 of its own for each process, among 32768.
        place = number % 0x8000 * 4
        net = f"198.{18 + (place >> 16)}.{place >> 8 & 255}"
        self.host, self.sensor = f"{net}.{(place & 255) + 1}", f"{net}.{(place & 255) + 2}"

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.space)
            run("ip", "-n", self.space, "link", "set", "lo", "up")
            run("ip", "netns", "exec", self.space, "sysctl", "-qw",
                "net.ipv6.conf.all.disable_ipv6=1", check=False)
            run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "e0", "netns",
                self.space)
            run("ip", "addr", "add", f"{self.host}/30", "dev", self.link)
            run("ip", "-n", self.space, "addr", "add", f"{self.sensor}/30", "dev", "e0")
            run("ip", "link", "set", self.link, "up")
            run("ip", "-n", self.space, "link", "set", "e0", "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        run("ip", "netns", "del", self.space, check=False)


class CaptureNic(Network):
    """A pair s0, g0 for a namespace that is there already."""

    def __init__(self, space):
        super().__init__(pairs=1, queues=1)
        self.sensor = space

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.sender)
            run("ip", "netns", "exec", self.sender, "sysctl", "-qw",
                "net.ipv6.conf.all.disable_ipv6=1", check=False)
            self.pair(0)
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        # The sensor's end goes with it.
        run("ip", "netns", "del", self.sender, check=False)
        run("ip", "-n", self.sensor, "link", "del", "s0", check=False)


class Cut:
    """Takes the event network away: the link goes down, or a firewall drops without a word."""

    def __init__(self, space):
        self.space = space

    def link(self, state):
        run("ip", "-n", self.space, "link", "set", "e0", state)

    def drop(self, *hooks):
        """Drops what comes in (`input`), or goes out (`output`), or both."""
        rules = "".join(f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n"
                        for hook in hooks)
        self.nft("add table inet cut\n" + rules)

    def restore(self):
        self.nft("delete table inet cut\n")

    def nft(self, text):
        subprocess.run(["ip", "netns", "exec", self.space, "nft", "-f", "-"], input=text, text=True,
                       check=True, capture_output=True)
