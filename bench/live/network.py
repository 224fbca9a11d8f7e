"""Two network namespaces and virtual pairs between them: s0, s1 for a sensor, g0, g1 to send."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Network:
    """Namespaces that are gone when the `with` is left. Their names have the process's number."""

    made = 0

    def __init__(self, pairs=2, queues=2, mtu=1500, sender_mtu=None, most_queues=None):
        Network.made += 1
        tag = f"{os.getpid()}-{Network.made}"
        self.sensor, self.sender = f"bls-{tag}", f"blg-{tag}"
        self.pairs, self.queues, self.mtu = pairs, queues, mtu
        self.sender_mtu, self.most_queues = sender_mtu or mtu, most_queues or queues

    def spaces(self):
        """Makes both namespaces, with nothing in them but a loopback interface that is up."""
        for name in (self.sensor, self.sender):
            run("ip", "netns", "add", name)
            run("ip", "netns", "exec", name, "sysctl", "-qw",
                "net.ipv6.conf.all.disable_ipv6=1", check=False)
            run("ip", "-n", name, "link", "set", "lo", "up")

    def __enter__(self):
        try:
            self.spaces()
            for number in range(self.pairs):
                self.pair(number)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for name in (self.sensor, self.sender):
            run("ip", "netns", "del", name, check=False)

    def pair(self, number):
        queues = ("numrxqueues", str(self.most_queues), "numtxqueues", str(self.most_queues))
        s, g = f"s{number}", f"g{number}"
        run("ip", "-n", self.sensor, "link", "add", s, *queues, "type", "veth", "peer", "name", g,
            "netns", self.sender, *queues)
        for space, name, mtu in ((self.sensor, s, self.mtu), (self.sender, g, self.sender_mtu)):
            # Offloads would show frames that no wire carries.
            for word in ("gro", "tso", "gso", "tx", "rxvlan", "txvlan"):
                run("ip", "netns", "exec", space, "ethtool", "-K", name, word, "off", check=False)
            run("ip", "-n", space, "link", "set", name, "mtu", str(mtu), "up")
            if self.most_queues != self.queues:
                self.set_queues(space, name, self.queues)

    def set_queues(self, space, name, count):
        run("ip", "netns", "exec", space, "ethtool", "-L", name, "rx", str(count), "tx",
            str(count))

    def remove(self, number):
        run("ip", "-n", self.sensor, "link", "del", f"s{number}")

    def set_link(self, number, state):
        run("ip", "-n", self.sensor, "link", "set", f"s{number}", state)

    def sensor_interfaces(self):
        return [f"s{number}" for number in range(self.pairs)]

    def sender_interfaces(self):
        return [f"g{number}" for number in range(self.pairs)]

    def figure(self, space, interface, name):
        """A statistic of an interface, as /sys tells it."""
        path = f"/sys/class/net/{interface}/statistics/{name}"
        return int(run("ip", "netns", "exec", space, "cat", path))

    def lost_by_senders(self, *pairs):
        """Frames that the senders' ends (all, or those of some pairs) took and lost before the
        sensor's: a queue was full. What the sensor's end refused as too long, both ends count."""
        lost = 0
        for number in pairs or range(self.pairs):
            lost += self.figure(self.sender, f"g{number}", "tx_dropped")
            # Frames that the XDP program could not get rid of are in there as well.
            refused = self.figure(self.sensor, f"s{number}", "rx_dropped")
            lost -= refused - sum(self.queue_figures(f"s{number}", "drops"))
        # The stack counts as dropped what only packet sockets take, e.g. tags that it has no
        # interface for.
        return max(lost, 0)

    def queue_figures(self, interface, which):
        """A figure of each receive queue of a sensor's interface, e.g. `xdp_packets`."""
        text = run("ip", "netns", "exec", self.sensor, "ethtool", "-S", interface, check=False)
        found = {}
        for line in text.splitlines():
            name, _, value = line.strip().partition(": ")
            if name.startswith("rx_queue_") and name.split("_", 3)[3] == which:
                found[int(name.split("_")[2])] = int(value)
        return [found[queue] for queue in sorted(found)]

    def send(self, *words, wait=True):
        """Runs the sender; says what it sent, or gives the process if not to wait."""
        command = ["ip", "netns", "exec", self.sender, "python3", os.path.join(HERE, "send.py"),
                   *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return sent(process) if wait else process


def sent(process):
    """Frames, bytes and refusals of a sender that ends."""
    text, _ = process.communicate()
    if process.returncode or not text.startswith("sent "):
        raise RuntimeError(f"the sender failed: {text.strip()}")
    words = text.split()
    return int(words[1]), int(words[2]), int(words[5])
