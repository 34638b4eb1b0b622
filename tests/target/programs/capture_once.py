"""Captures a process: ``capture_once.py PID [UID]``; says when it begins and what became of it."""

import json
import os
import sys

from leakscope.errors import LeakscopeError
from leakscope.target.attach import capture


def say(facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main():
    if sys.argv[2:]:
        os.setgroups([])
        os.setuid(int(sys.argv[2]))
    say({"begins": True})
    try:
        image = capture(int(sys.argv[1]))
    except LeakscopeError as error:
        say({"error": type(error).__name__, "message": error.message, "help": error.help})
    else:
        say({"pages": len(image.pages), "pause_ms": image.facts.pause_ms})


main()
