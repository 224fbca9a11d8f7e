#!/usr/bin/env python3
"""Sends a capture file through interfaces: `send.py FILE INTERFACE... [--rate N] [...]`.

With two interfaces each direction has its own. The transmit queue, which the other end of a
virtual pair receives on, is the kernel's choice by flow, or that of the frame's number, or fixed.
Prints `sent FRAMES BYTES SECONDS refused FRAMES`.
"""

import argparse
import errno
import os
import socket
import struct
import sys
import time

import wire

PACKET_QDISC_BYPASS = 20


def opened(interface, bypass):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if bypass:
        one.setsockopt(263, PACKET_QDISC_BYPASS, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    one.bind((interface, 0))
    return one


def directed(frames, count):
    """Each frame with the index of its interface: the direction decides."""
    for frame in frames:
        pair = wire.ends(frame)
        yield frame, 0 if pair is None or pair[0] < pair[1] else count - 1


def varied(frames, loop):
    """The frames with the low 16 bits of the lower private address changed by the loop's number,
    so that each loop has flows of its own; checksums are kept right (RFC 1624)."""
    if loop == 0:
        return frames
    return [_vary(frame, loop) for frame in frames]


def _vary(frame, loop):
    if wire.ether_type(frame) != wire.IPV4:
        return frame
    at = 26 if frame[26:28] == b"\xc0\xa8" else 30 if frame[30:32] == b"\xc0\xa8" else None
    if at is None:
        return frame
    changed = bytearray(frame)
    old = struct.unpack_from("!H", frame, at + 2)[0]
    new = (old + loop) & 0xFFFF
    struct.pack_into("!H", changed, at + 2, new)
    places = [24]
    transport = 14 + (frame[14] & 15) * 4
    first = struct.unpack_from("!H", frame, 20)[0] & 0x1FFF == 0
    if first and frame[23] == wire.TCP:
        places.append(transport + 16)
    elif first and frame[23] == wire.UDP and frame[transport + 6:transport + 8] != b"\0\0":
        places.append(transport + 6)
    for place in places:
        total = (~struct.unpack_from("!H", frame, place)[0] & 0xFFFF) + (~old & 0xFFFF) + new
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", changed, place, ~total & 0xFFFF)
    return bytes(changed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("interfaces", nargs="+")
    parser.add_argument("--rate", type=float, default=2000, help="frames a second; 0: no limit")
    parser.add_argument("--queue", default="flow", help="flow, frame (in turn), or a number")
    parser.add_argument("--seconds", type=float, help="again and again, so long")
    parser.add_argument("--vary", action="store_true", help="other addresses each time")
    parser.add_argument("--first", type=int, default=0, help="the number of the first time")
    given = parser.parse_args()
    frames = [frame for _, frame in wire.read(given.file)]
    cpus = sorted(os.sched_getaffinity(0))
    # A socket that goes around queueing disciplines takes the queue of its CPU's number.
    sockets = [opened(name, given.queue != "flow") for name in given.interfaces]
    if given.queue.isdigit():
        os.sched_setaffinity(0, {cpus[int(given.queue) % len(cpus)]})
    in_turn = given.queue == "frame"
    sent = size = refused = tried = 0
    loop = given.first
    start = time.monotonic()
    while True:
        for frame, index in directed(varied(frames, loop) if given.vary else frames, len(sockets)):
            if in_turn:
                os.sched_setaffinity(0, {cpus[tried % len(cpus)]})
            if given.rate:
                wait = start + tried / given.rate - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
            tried += 1
            try:
                sockets[index].send(frame)
            except OSError as error:
                # Lost on its way to the other end: the interface counts that itself.
                if error.errno != errno.ENOBUFS:
                    refused += 1
                    continue
            sent += 1
            size += len(frame)
        loop += 1
        if given.seconds is None or time.monotonic() - start >= given.seconds:
            break
    print(f"sent {sent} {size} {time.monotonic() - start:.3f} refused {refused}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
