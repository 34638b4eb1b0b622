"""Has a thread inside vfork for as long as asked, while its main thread answers: ``vfork.py SECONDS``."""

import ctypes
import itertools
import json
import signal
import sys
import threading

CLONE_VM = 0x100
CLONE_VFORK = 0x4000
STACK = ctypes.create_string_buffer(1 << 16)
LIBC = ctypes.CDLL(None)


def borrow_memory(seconds):
    """The child runs nothing but C's sleep, on a stack of its own, in the parent's memory."""
    top = (ctypes.addressof(STACK) + len(STACK) - 64) & -16
    LIBC.clone(LIBC.sleep, ctypes.c_void_p(top), CLONE_VM | CLONE_VFORK | signal.SIGCHLD, ctypes.c_void_p(seconds))


def main():
    threading.Thread(target=borrow_memory, args=(int(sys.argv[1]),), daemon=True).start()
    for line in itertools.chain(["ready"], sys.stdin):
        sys.stdout.write(json.dumps({"echo": line.strip()}) + "\n")
        sys.stdout.flush()


main()
