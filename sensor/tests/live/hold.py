"""Holds one thread of a process for a while: hold.py THREAD SECONDS."""

import ctypes
import sys
import time

SEIZE, INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, int(sys.argv[1]), None, None) != 0:
        sys.exit("the thread cannot be held")
# The end of this process lets it go.
time.sleep(float(sys.argv[2]))
