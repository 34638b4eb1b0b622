"""Keeps objects in the ways that services do, and says how many: ``world.py [interpreters]``; no C library is needed.

With ``interpreters`` it makes two more interpreters, each of which keeps objects of its own in a module of its own.
"""

import json
import os
import sys
import threading

KEPT = 1000
ISOLATED = """
import sys, types
class Inner:
    def __init__(self, number):
        self.number = number
        self.text = "inner %d" % number
module = types.ModuleType("kept_{name}")
module.things = {{number: Inner(number) for number in range({count})}}
sys.modules[module.__name__] = module
del module
"""


class WorldSession:
    """What is counted."""

    def __init__(self, number):
        self.session_id = f"world {number}"
        self.cargo = [number + 100_000, {"number": str(number)}, (number, None)]
        self.itself = self


class OfThread:
    """Held by one thread's local alone."""


SESSIONS = {number: WorldSession(number) for number in range(KEPT)}
INTERPRETERS = []
READY, END = threading.Event(), threading.Event()


def wait_in_thread():
    only_here = OfThread()
    READY.set()
    END.wait()
    return only_here


def make_interpreters():
    """Two more, with their own GIL and allocator where CPython can (3.12)."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    for name, count in (("first", 37), ("second", 53)):
        INTERPRETERS.append(interpreters.create())  # up to 3.12 one ends when nobody knows its id
        interpreters.run_string(INTERPRETERS[-1], ISOLATED.format(name=name, count=count))


def main():
    threading.Thread(target=wait_in_thread, name="world thread", daemon=True).start()
    READY.wait()
    if sys.argv[1:] == ["interpreters"]:
        make_interpreters()
    sys.stdout.write(json.dumps({"pid": os.getpid(), "kept": KEPT, "executable": sys.executable}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


main()
