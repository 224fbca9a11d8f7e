"""Traffic for the proofs of live capture: a capture file in tags, tunnels, IPv6, parts, or large.

    traffic.py KIND FROM TO [--limit N] [--rate N]
"""

import argparse
import struct
import sys

import wire
from wire import Packet

# An Ethernet frame of the usual size.
LONGEST = 1514
# Payload of a part of a datagram, a multiple of 8.
PART = 256
# Pairs of tunnel ends; the packets of two hosts always go through the same one.
TUNNELS = 4
MARK = b"BATELEUR-DEMO$THIS-TEXT-IS-HARMLESS"


def plain(frames):
    return frames


def vlan(frames):
    for frame in frames:
        yield frame[:12] + struct.pack("!HH", wire.VLAN, 0x2005) + frame[12:]


def qinq(frames):
    tags = struct.pack("!HHHH", wire.SERVICE_VLAN, 0x0064, wire.VLAN, 0x0005)
    for frame in frames:
        yield frame[:12] + tags + frame[12:]


def _carriers(packet):
    """The tunnel's ends for a packet, in the packet's direction."""
    low, high = sorted((packet.source, packet.destination))
    number = sum(low + high) % TUNNELS
    pair = bytes((10, 255, 0, number)), bytes((10, 255, 1, number))
    return pair if packet.source == low else pair[::-1]


def gre(frames):
    """IP in GRE (RFC 2784) in IPv4; frames without IP stay as they are."""
    for number, frame in enumerate(frames):
        packet = Packet(frame)
        if not packet.version:
            yield frame
            continue
        inner = struct.pack("!HH", 0, packet.type) + frame[14:]
        source, destination = _carriers(packet)
        head = wire.ipv4_header(source, destination, wire.GRE, len(inner), number & 0xFFFF)
        yield packet.ethernet + struct.pack("!H", wire.IPV4) + head + inner


def vxlan(frames):
    """Whole frames in VXLAN (RFC 7348) in IPv4."""
    for number, frame in enumerate(frames):
        packet = Packet(frame)
        if not packet.version:
            yield frame
            continue
        inner = struct.pack("!II", 0x08000000, 7 << 8) + frame
        source, destination = _carriers(packet)
        # No checksum, as RFC 7348 has it.
        port = 49152 + sum(min(packet.source, packet.destination)) % 1000
        udp = struct.pack("!HHHH", port, wire.VXLAN_PORT, 8 + len(inner), 0) + inner
        head = wire.ipv4_header(source, destination, wire.UDP, len(udp), number & 0xFFFF)
        yield packet.ethernet + struct.pack("!H", wire.IPV4) + head + udp


def _six(address):
    return bytes.fromhex("20010db8000000000000000000000000")[:12] + address


def ipv6(frames):
    """The same conversations over IPv6; ARP and what has no equal there is left out."""
    for frame in frames:
        packet = Packet(frame)
        if packet.version != 4 or packet.is_fragment():
            continue
        protocol, payload = packet.protocol, packet.payload
        if protocol == wire.ICMP:
            kinds = {8: 128, 0: 129}
            if payload[0] not in kinds:
                continue
            protocol, payload = wire.ICMPV6, bytes((kinds[payload[0]],)) + payload[1:]
        elif protocol not in (wire.TCP, wire.UDP):
            continue
        source, destination = _six(packet.source), _six(packet.destination)
        payload = wire.transport(source, destination, protocol, payload)
        head = wire.ipv6_header(source, destination, protocol, len(payload))
        yield packet.ethernet + struct.pack("!H", wire.IPV6) + head + payload


def fragments(frames):
    """Datagrams in parts of 256 bytes; those of every third come in reverse."""
    for number, frame in enumerate(frames):
        packet = Packet(frame)
        whole = not packet.version or len(packet.payload) <= PART or packet.is_fragment()
        if whole or packet.version == 6 and packet.protocol not in (wire.TCP, wire.UDP):
            yield frame
            continue
        parts = list(_parts(packet, number))
        yield from reversed(parts) if number % 3 == 0 else parts


def _parts(packet, number):
    for offset in range(0, len(packet.payload), PART):
        part = packet.payload[offset:offset + PART]
        more = offset + PART < len(packet.payload)
        if packet.version == 4:
            fragment = offset // 8 | (0x2000 if more else 0)
            head = wire.ipv4_header(packet.source, packet.destination, packet.protocol, len(part),
                                    number & 0xFFFF, fragment)
        else:
            extension = struct.pack("!BBHI", packet.protocol, 0, offset | more, number)
            part = extension + part
            head = wire.ipv6_header(packet.source, packet.destination, wire.FRAGMENT, len(part))
        yield packet.ethernet + struct.pack("!H", packet.type) + head + part


def fragments6(frames):
    return fragments(ipv6(frames))


class Talk:
    """One TCP conversation, as a wire would show it."""

    def __init__(self, client, server, port):
        self.client, self.server, self.port = client, server, port
        # A client of its own for the next number of each side.
        self.next = {True: 1000, False: 5000}

    def segment(self, upwards, flags, payload=b""):
        source, destination = self.client, self.server
        ports = self.port, 80
        if not upwards:
            source, destination, ports = destination, source, ports[::-1]
        number, acknowledged = self.next[upwards], self.next[not upwards]
        tcp = struct.pack("!HHIIBBHHH", *ports, number, acknowledged if flags & 16 else 0, 0x50,
                          flags, 65535, 0, 0) + payload
        self.next[upwards] += len(payload) + (1 if flags & 3 else 0)
        tcp = wire.transport(source, destination, wire.TCP, tcp)
        if len(source) == 4:
            kind, head = wire.IPV4, wire.ipv4_header(source, destination, wire.TCP, len(tcp))
        else:
            kind, head = wire.IPV6, wire.ipv6_header(source, destination, wire.TCP, len(tcp))
        macs = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
        ethernet = macs[0] + macs[1] if upwards else macs[1] + macs[0]
        return ethernet + struct.pack("!H", kind) + head + tcp

    def page(self, body, step):
        """A page fetched, its answer in segments of `step` bytes."""
        yield self.segment(True, 2)
        yield self.segment(False, 18)
        yield self.segment(True, 16)
        yield self.segment(True, 24, b"GET /large HTTP/1.1\r\nHost: www.example\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: text/plain\r\n\r\n"
        answer = head.encode() + body
        for at in range(0, len(answer), step):
            yield self.segment(False, 24, answer[at:at + step])
            yield self.segment(True, 16)
        yield self.segment(False, 17)
        yield self.segment(True, 17)
        yield self.segment(False, 16)


def jumbo(_frames, count=8, step=8900):
    """Pages whose answers come in frames of almost 9000 bytes, over both versions of IP."""
    talks = []
    for number in range(count):
        client, server = bytes((192, 168, 7, 20 + number)), bytes((198, 51, 100, 80))
        if number % 2:
            client, server = _six(client), _six(server)
        filling = b"0123456789abcdef" * 5000
        talks.append(Talk(client, server, 40000 + number).page(filling + MARK + b"\r\n", step))
    while talks:
        for talk in list(talks):
            frame = next(talk, None)
            if frame is None:
                talks.remove(talk)
            else:
                yield frame


def flood(count, size=64, flows=256, pairs=16, port=0):
    """UDP frames of one size in so many flows of so many pairs of hosts, both ways in turn."""
    frames = []
    for number in range(min(count, flows * 2)):
        flow = number // 2
        ends = bytes((10, 1, 0, flow % pairs)), bytes((10, 2, 0, flow % pairs))
        ports = 20000 + flow, port or 9000
        if number % 2:
            ends, ports = ends[::-1], ports[::-1]
        payload = bytes(max(size, 42) - 42)
        udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
        udp = wire.transport(*ends, wire.UDP, udp)
        head = wire.ipv4_header(*ends, wire.UDP, len(udp))
        frames.append(b"\2\0\0\0\0\1\2\0\0\0\0\2" + struct.pack("!H", wire.IPV4) + head + udp)
    for number in range(count):
        yield frames[number % len(frames)]


KINDS = {
    "ipv4": plain,
    "ipv6": ipv6,
    "vlan": vlan,
    "qinq": qinq,
    "gre": gre,
    "vxlan": vxlan,
    "fragments": fragments,
    "ipv6-fragments": fragments6,
    "jumbo": jumbo,
}


def make(kind, source, target, limit=None, rate=2000):
    """Writes the capture file `source` as traffic of a kind; says how many frames that are. What
    was put together by a NIC before it was captured is left out: no wire carries it."""
    frames = (frame for _, frame in wire.read(source, limit, LONGEST))
    return wire.write(target, KINDS[kind](frames), rate)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rate", type=int, default=2000)
    given = parser.parse_args()
    print(make(given.kind, given.source, given.target, given.limit, given.rate), "frames")


if __name__ == "__main__":
    sys.exit(main())
