"""Executes each line that it gets and answers with what the line left in ``answer``."""

import ctypes
import json
import os
import signal
import sys
import threading
import time

NOTICED = []
libc = ctypes.CDLL(None, use_errno=True)


def say(facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main():
    signal.signal(signal.SIGCHLD, lambda *_: NOTICED.append("SIGCHLD"))
    names = {**globals(), "answer": None}
    say({"pid": os.getpid(), "now": time.time(), "threads": threading.active_count()})
    for line in sys.stdin:
        exec(line, names)
        say({"answer": names["answer"], "noticed": NOTICED})


main()
