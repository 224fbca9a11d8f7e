"""Sends the frames of a capture file, times over: send.py INTERFACE FILE [TIMES]."""

import socket
import struct
import sys
import time

interface, path = sys.argv[1:3]
times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
with open(path, "rb") as file:
    data = file.read()
order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
frames, at = [], 24
while at < len(data):
    (length,) = struct.unpack_from(order + "I", data, at + 8)
    frames.append(data[at + 16 : at + 16 + length])
    at += 16 + length
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((interface, 0))
    for _ in range(times):
        for frame in frames:
            out.send(frame)
            time.sleep(0.0005)
