"""Freezes processes for the tests: a line ``PID STEP SECONDS`` starts a leakscope that stays at that step.

Each is a process of its own (forked, so that nothing has to be loaded again), to be killed at will. It says which
process it is when it has come to the step, or that it went through. ``hold`` is the time at which the child is read.
"""

import json
import os
import sys
import time

from leakscope.errors import AttachError
from leakscope.target.fork import freeze


def say(facts):
    os.write(1, json.dumps(facts).encode() + b"\n")


def stay(step):
    say({"at": step, "leakscope": os.getpid()})
    time.sleep(600)


def leakscope(pid, wanted):
    steps = []

    def passed(name):
        steps.append(name)
        if name == wanted:
            stay(name)

    try:
        with freeze(pid, passed) as frozen:
            facts = {"child": frozen.pid, "pause_ms": frozen.pause_s * 1000}
            if wanted == "hold":
                stay("hold")
    except AttachError as error:
        say({"error": error.message, "steps": steps})
    else:
        say({"steps": steps, **facts})


def main():
    say({"ready": True})
    for line in sys.stdin:
        pid, step = line.split(maxsplit=1)
        forked = os.fork()
        if not forked:
            try:
                leakscope(int(pid), step.strip())
            finally:
                os._exit(0)
        os.waitpid(forked, 0)


main()
