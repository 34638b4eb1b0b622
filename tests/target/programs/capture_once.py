"""Captures a process: ``capture_once.py PID [UID|PAUSE]``; says when it begins and what became of it."""

import json
import os
import sys

from leakscope.errors import LeakscopeError
from leakscope.target.attach import capture


def say(facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main():
    way = sys.argv[2:]
    if way and way[0].isdigit():
        os.setgroups([])
        os.setuid(int(way.pop()))
    say({"begins": True})
    try:
        image = capture(int(sys.argv[1]), *way)
    except LeakscopeError as error:
        say({"error": type(error).__name__, "message": error.message, "help": error.help})
    else:
        say({"pages": len(image.pages), "pause_ms": image.facts.pause_ms})


main()
