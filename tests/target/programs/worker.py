"""Does something in its main thread, ``worker.py WHAT``, and tells from another what came of it and what it noticed.

The main thread counts rounds; each is checked, and each wrong result, EINTR, or time that is not right is told.
"""

import ctypes
import errno
import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

NOTICED = []
ROUNDS = [0]
WAIT_S = 0.25
LATE_S = 5  # on a busy machine
libc = ctypes.CDLL(None, use_errno=True)


class Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def nanosleep():
    return libc.nanosleep(ctypes.byref(Timespec(0, int(WAIT_S * 1e9))), ctypes.byref(Timespec()))


def poll():
    return libc.poll(None, 0, int(WAIT_S * 1000))


def futex():
    word = ctypes.c_int(7)
    wait = libc.syscall(202, ctypes.byref(word), 0, 7, ctypes.byref(Timespec(0, int(WAIT_S * 1e9))), None, 0)
    return 0 if wait == -1 and ctypes.get_errno() == errno.ETIMEDOUT else (wait, ctypes.get_errno())


def lock():
    return int(LOCK.acquire(timeout=WAIT_S))


def sleep():
    time.sleep(WAIT_S)
    return 0


def selects():
    return len(select.select([], [], [], WAIT_S)[0])


def compute():
    """Vector registers and flags at work: three seconds' worth of rounding errors must come out the same."""
    total = 0.0
    for number in range(1, 200_000):
        total += 1.0 / number
    return 0 if total == HARMONIC else total


def pipe():
    """Reads what another thread writes at random times, byte by byte."""
    global NEXT
    got = os.read(PIPE[0], 1)[0]
    wrong = got != NEXT
    NEXT = (NEXT + 1) % 256
    return int(wrong)


def feed():
    number = 0
    while True:
        os.write(PIPE[1], bytes([number]))
        number = (number + 1) % 256
        time.sleep(0.0007)


LOCK = threading.Lock()
LOCK.acquire()
HARMONIC = sum(1.0 / number for number in [])
for n in range(1, 200_000):
    HARMONIC += 1.0 / n
PIPE = os.pipe()
NEXT = 0
TIMED = (nanosleep, poll, futex, lock, sleep, selects)
WORK = {each.__name__: each for each in (*TIMED, compute, pipe)}


def children():
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def wait_for_any():
    """What the program's own reaper would see."""
    try:
        return list(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        return None


def answer():
    for _ in sys.stdin:
        facts = {"rounds": ROUNDS[0], "noticed": NOTICED, "children": children(), "waited": wait_for_any()}
        facts["threads"] = len(list(Path("/proc/self/task").iterdir()))
        facts["descriptors"] = len(list(Path("/proc/self/fd").iterdir()))
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
    os._exit(0)


def main():
    signal.signal(signal.SIGCHLD, lambda *_: NOTICED.append("SIGCHLD"))
    work = WORK[sys.argv[1]]
    threading.Thread(target=answer, daemon=True).start()
    if work is pipe:
        threading.Thread(target=feed, daemon=True).start()
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    while True:
        began = time.monotonic()
        result = work()
        took = time.monotonic() - began
        if result:
            NOTICED.append(repr((sys.argv[1], result, ctypes.get_errno())))
        if work in TIMED and not WAIT_S - 0.001 <= took < WAIT_S + LATE_S:
            NOTICED.append(repr((sys.argv[1], took)))
        ROUNDS[0] += 1


main()
