"""Threads that sleep, that are born and end all the time, that compute: ``threads.py SLEEPING CHURNING``."""

import itertools
import json
import sys
import threading

BORN = [0]


def churn():
    while True:
        child = threading.Thread(target=born)
        child.start()
        child.join()


def born():
    BORN[0] += 1


def chain():
    """Each thread starts the next and ends."""
    BORN[0] += 1
    threading.Thread(target=chain, daemon=True).start()


def compute():
    while True:
        sum(range(1000))


def main():
    threading.stack_size(256 * 1024)
    for _ in range(int(sys.argv[1])):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    for work in (churn, chain, compute):
        for _ in range(int(sys.argv[2])):
            threading.Thread(target=work, daemon=True).start()
    for _ in itertools.chain(["ready"], sys.stdin):
        sys.stdout.write(json.dumps({"born": BORN[0]}) + "\n")
        sys.stdout.flush()


main()
