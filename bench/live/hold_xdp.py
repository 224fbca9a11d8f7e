#!/usr/bin/env python3
"""Keeps an XDP program that passes everything on an interface until its input ends, so that
nobody else can have one there: `hold_xdp.py INTERFACE`. Prints `held`."""

import ctypes
import os
import platform
import socket
import struct
import sys

CALL = {"x86_64": 321, "aarch64": 280}
LOAD, LINK_CREATE = 5, 28
# The program deals with frames in several buffers: such interfaces take no other.
WITH_BUFFERS = 32
XDP_PROGRAM, XDP_ATTACHMENT, NATIVE = 6, 37, 4


def bpf(command, attributes):
    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = library.syscall(CALL[platform.machine()], command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main():
    # r0 = XDP_PASS; exit
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"MIT")
    # Type, length, instructions, licence; log (none), kernel version; flags.
    program = bpf(LOAD, struct.pack("<IIQQIIQII", XDP_PROGRAM, 2, ctypes.addressof(code),
                                    ctypes.addressof(licence), 0, 0, 0, 0, WITH_BUFFERS))
    interface = socket.if_nametoindex(sys.argv[1])
    bpf(LINK_CREATE, struct.pack("<IIII", program, interface, XDP_ATTACHMENT, NATIVE))
    print("held", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
