"""What ``expect_gone`` costs: time per call with the end of its object, and memory per one that waits.

Run it by the Python whose figures are wanted: ``python bench/expectations.py``.
"""

import gc
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from leakscope import expect_gone

OBJECTS = 200_000
ROUNDS = 5


class Session:
    """What is expected to go."""


def call_ns():
    """Nanoseconds for one call, and for the end of its object beyond what that takes anyway; best of ROUNDS."""
    calls, ends, plain_ends = [], [], []
    for _ in range(ROUNDS):
        sessions = [Session() for _ in range(OBJECTS)]
        began = time.perf_counter_ns()
        sessions.clear()
        plain_ends.append(time.perf_counter_ns() - began)
        sessions = [Session() for _ in range(OBJECTS)]
        began = time.perf_counter_ns()
        for session in sessions:
            expect_gone(session, "logout", within=30)
        calls.append(time.perf_counter_ns() - began)
        del session
        began = time.perf_counter_ns()
        sessions.clear()
        ends.append(time.perf_counter_ns() - began)
    return min(calls) / OBJECTS, (min(ends) - min(plain_ends)) / OBJECTS


def waiting_bytes():
    """Bytes for each expectation whose object still lives."""
    sessions = [Session() for _ in range(OBJECTS)]
    gc.collect()
    tracemalloc.start()
    for session in sessions:
        expect_gone(session, "logout", within=30)
    return tracemalloc.get_traced_memory()[0] / OBJECTS


def main():
    """One line."""
    call, end = call_ns()
    version = ".".join(map(str, sys.version_info[:3]))
    sys.stdout.write(f"{version}  call {call:.0f} ns  end {end:.0f} ns  waiting {waiting_bytes():.0f} bytes\n")


if __name__ == "__main__":
    main()
