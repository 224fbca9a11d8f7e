"""A namespace with the networks of a pod, made by real CNI plugins in the order in which Multus
calls them: eth0 on a bridge with an address (the event network), then net1, net2 … by host-device
(the capture networks), whose other ends are in a namespace from where traffic is sent."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

# pylint: disable=wrong-import-position
from network import Network, run
import tools

STATUS = "k8s.v1.cni.cncf.io/network-status"


class Pod(Network):
    """Gone when the `with` is left, as `kubectl delete pod` leaves it."""

    def __init__(self, folder, captures=2):
        super().__init__(pairs=captures)
        self.folder = pathlib.Path(folder)
        number = os.getpid()
        self.bridge = f"bpb{number % 10**9}"
        # Of the addresses inside providers' networks (RFC 6598): event_network has those for tests.
        self.subnet = f"100.64.{number % 240}.0/24"
        self.gateway = f"100.64.{number % 240}.1"
        self.status = []
        self.plugins = tools.go("cnitool", "bridge", "host-device", "host-local")

    def __enter__(self):
        self.configure()
        try:
            self.spaces()
            result = self.cni("add", "event", "eth0")
            inside = next(i for i in result["interfaces"] if i.get("sandbox"))
            addresses = [ip["address"].split("/")[0] for ip in result["ips"]]
            self.status = [{"name": "event", "interface": "eth0", "ips": addresses,
                            "mac": inside["mac"], "default": True, "dns": {}}]
            for number in range(self.pairs):
                self.pair(number)
        except BaseException:
            self.close()
            raise
        return self

    def pair(self, number):
        """A capture network: the device lies in the host's namespace until its plugin moves it."""
        device, name = self.device(number), f"net{number + 1}"
        queues = ("numrxqueues", "2", "numtxqueues", "2")
        run("ip", "link", "add", device, *queues, "type", "veth", "peer", "name", f"g{number}",
            "netns", self.sender, *queues)
        for word in ("gro", "tso", "gso", "tx", "rxvlan", "txvlan"):
            run("ethtool", "-K", device, word, "off", check=False)
            run("ip", "netns", "exec", self.sender, "ethtool", "-K", f"g{number}", word, "off",
                check=False)
        run("ip", "-n", self.sender, "link", "set", f"g{number}", "up")
        self.cni("add", f"capture-{number}", name)
        mac = json.loads(run("ip", "-n", self.sensor, "-j", "link", "show", name))[0]["address"]
        self.status.append({"name": f"sensors/capture-{number}", "interface": name, "mac": mac,
                            "dns": {}})

    def device(self, number):
        return f"bpc{os.getpid() % 10**7}-{number}"

    def configure(self):
        """What NetworkAttachmentDefinitions would hold."""
        self.folder.mkdir(parents=True, exist_ok=True)
        event = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "ipMasq": False,
                 "isDefaultGateway": True,
                 "ipam": {"type": "host-local", "dataDir": str(self.folder / "addresses"),
                          "ranges": [[{"subnet": self.subnet}]]}}
        lists = {"event": [event]}
        for number in range(self.pairs):
            lists[f"capture-{number}"] = [{"type": "host-device", "device": self.device(number)}]
        for name, plugins in lists.items():
            text = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins})
            (self.folder / f"{name}.conflist").write_text(text, encoding="ascii")

    def cni(self, what, network, interface):
        """Calls the plugins of a network for an interface of the pod."""
        environment = {**os.environ, "CNI_PATH": str(self.plugins), "NETCONFPATH": str(self.folder),
                       "CNI_IFNAME": interface}
        words = [self.plugins / "cnitool", what, network, f"/var/run/netns/{self.sensor}"]
        done = subprocess.run(words, env=environment, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"cnitool {what} {network}: {(done.stdout + done.stderr).strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def close(self):
        networks = [("event", "eth0")]
        networks += [(f"capture-{n}", f"net{n + 1}") for n in range(self.pairs)]
        for network, interface in reversed(networks):
            try:
                self.cni("del", network, interface)
            except RuntimeError:
                # It was never added.
                pass
        for name in (self.sensor, self.sender):
            run("ip", "netns", "del", name, check=False)
        for number in range(self.pairs):
            run("ip", "link", "del", self.device(number), check=False)
        run("ip", "link", "del", self.bridge, check=False)

    def annotations(self):
        """The file that the downward API makes of the pod's annotations."""
        text = json.dumps(self.status, indent=4)
        return f"{STATUS}={json.dumps(text)}\nkubernetes.io/config.source=\"api\"\n"


def device_plugin(number, address):
    """Shell words that show net`number` at a PCI address, where a virtual function would be: sysfs
    knows virtual pairs by no address. For the mounts of one process."""
    net, at = "/sys/class/net", f"/sys/devices/virtual/net/net{number}"
    fake = "/run/bateleur-pod"
    return " && ".join([
        f"mkdir -p {fake}", f"mount -t tmpfs tmpfs {fake}",
        f"mkdir -p {fake}/net {fake}/bus/pci/devices/{address} {fake}/net/net{number}",
        f"echo 0x020000 > {fake}/bus/pci/devices/{address}/class",
        f"echo 0 > {fake}/bus/pci/devices/{address}/numa_node",
        f"for i in {net}/*; do [ $i = {net}/net{number} ] || "
        f"ln -s /sys/devices/virtual/net/${{i##*/}} {fake}/net/${{i##*/}}; done",
        f"for a in {at}/*; do ln -s $a {fake}/net/net{number}/${{a##*/}}; done",
        f"ln -s {fake}/bus/pci/devices/{address} {fake}/net/net{number}/device",
        f"mount --bind {fake}/net {net}",
    ])
