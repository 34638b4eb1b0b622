"""Starts a command and tells every signal and status that reaches it as the parent: ``parent.py COMMAND...``."""

import json
import os
import signal
import subprocess
import sys

RECEIVED = []


def say(facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main():
    signal.signal(signal.SIGCHLD, lambda *_: RECEIVED.append("SIGCHLD"))
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    say({"pid": child.pid, "child": json.loads(child.stdout.readline())})
    for line in sys.stdin:
        if line.strip() == "forget":
            del RECEIVED[:]
        seen = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT)
        say({"signals": RECEIVED, "status": None if seen is None else seen.si_code})
    child.kill()
    child.wait()


main()
