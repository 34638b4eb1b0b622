"""Holds objects whose addresses and bytes it tells; runs on any Python 3."""

import contextlib
import ctypes
import json
import os
import signal
import sys

PATTERN = bytes(range(256)) * 4096
BLOCK = ctypes.create_string_buffer(PATTERN, len(PATTERN))
MARK = ["a list to be found by its id"]
BALLAST = bytearray(os.urandom(1 << 20)) * int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else b""


def say(facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main():
    receive, send = os.pipe()
    for end in (receive, send):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(send)  # one byte for each signal, where handlers would see several as one
    signal.signal(signal.SIGRTMIN, lambda *_: None)
    say(
        {
            "block": ctypes.addressof(BLOCK),
            "pattern": len(PATTERN),
            "mark": id(MARK),
            "list": id(list),
            "type": id(type),
            "none": id(None),
            "argument": id(sys.argv),
        }
    )
    received = 0
    for line in sys.stdin:
        with contextlib.suppress(BlockingIOError):
            received += len(os.read(receive, 1 << 16))
        say({"signals": received, "echo": line.strip()})


main()
