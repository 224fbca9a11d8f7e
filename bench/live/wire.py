"""Frames as bytes: capture files, headers, checksums."""

import struct

ETHERNET = 14
IPV4, IPV6, ARP, VLAN, SERVICE_VLAN, BRIDGE = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x6558
ICMP, TCP, UDP, GRE, FRAGMENT, ICMPV6 = 1, 6, 17, 47, 44, 58
VXLAN_PORT = 4789


def read(path, limit=None, longest=65535):
    """Yields (nanoseconds, frame) of a classic capture file of Ethernet: at most `limit`
    of them, without those that were cut or are longer than `longest` bytes."""
    with open(path, "rb") as file:
        head = file.read(24)
        magic = head[:4]
        order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        unit = 1 if magic in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1000
        link = struct.unpack_from(order + "I", head, 20)[0] & 0xFFFF
        if link != 1:
            raise ValueError(f"{path}: link type {link}, not Ethernet")
        count = 0
        while limit is None or count < limit:
            record = file.read(16)
            if len(record) < 16:
                return
            seconds, fraction, captured, wire = struct.unpack(order + "IIII", record)
            frame = file.read(captured)
            if len(frame) < captured:
                return
            if captured == wire and captured <= longest:
                count += 1
                yield seconds * 10**9 + fraction * unit, frame


def write(path, frames, rate=2000, start=1_700_000_000 * 10**9):
    """Writes frames as if they had been sent at so many a second; says how many they are."""
    count = 0
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for frame in frames:
            seconds, rest = divmod(start + count * 10**9 // rate, 10**9)
            file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
            count += 1
    return count


def checksum(data):
    """The Internet's checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ether_type(frame):
    return struct.unpack_from("!H", frame, 12)[0]


def ipv4_header(source, destination, protocol, length, number=0, fragment=0, ttl=64):
    """A header without options for `length` bytes of payload; `fragment` is flags and offset."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, number, fragment, ttl, protocol, 0,
                       source, destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


def ipv6_header(source, destination, protocol, length, hops=64):
    return struct.pack("!IHBB", 0x60000000, length, protocol, hops) + source + destination


def transport(source, destination, protocol, segment):
    """A segment with its checksum made anew for these addresses, of whichever version."""
    at = {TCP: 16, UDP: 6, ICMPV6: 2, ICMP: 2}[protocol]
    blank = segment[:at] + b"\0\0" + segment[at + 2:]
    if protocol == ICMP:
        pseudo = b""
    elif len(source) == 4:
        pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(segment))
    else:
        pseudo = source + destination + struct.pack("!II", len(segment), protocol)
    value = checksum(pseudo + blank)
    if protocol == UDP and value == 0:
        value = 0xFFFF
    return blank[:at] + struct.pack("!H", value) + blank[at + 2:]


class Packet:
    """The IP packet of an Ethernet frame without tags."""

    def __init__(self, frame):
        self.ethernet = frame[:12]
        self.type = ether_type(frame)
        self.version = 0
        if self.type == IPV4:
            head = (frame[14] & 15) * 4
            total = struct.unpack_from("!H", frame, 16)[0]
            self.version, self.protocol = 4, frame[23]
            self.number, self.fragment = struct.unpack_from("!HH", frame, 18)
            self.source, self.destination = frame[26:30], frame[30:34]
            self.payload = frame[14 + head:14 + total]
        elif self.type == IPV6:
            length = struct.unpack_from("!H", frame, 18)[0]
            self.version, self.protocol = 6, frame[20]
            self.number, self.fragment = 0, 0
            self.source, self.destination = frame[22:38], frame[38:54]
            self.payload = frame[54:54 + length]

    def is_fragment(self):
        return bool(self.fragment & 0x3FFF) or self.version == 6 and self.protocol == FRAGMENT


def ends(frame):
    """Source and destination of the outermost IP header behind tags; none without IP."""
    at, kind = 14, ether_type(frame)
    while kind in (VLAN, SERVICE_VLAN):
        kind = struct.unpack_from("!H", frame, at + 2)[0]
        at += 4
    if kind == IPV4:
        return frame[at + 12:at + 16], frame[at + 16:at + 20]
    if kind == IPV6:
        return frame[at + 8:at + 24], frame[at + 24:at + 40]
    return None
