"""Starts a program below another root and captures it from outside of that: ``below_root.py ROOT PYTHON PROGRAM``."""

import json
import subprocess
import sys

from leakscope.cpython.reader import read_heap
from leakscope.target.attach import capture
from leakscope.target.runtimes import identify


def main():
    root, python, program = sys.argv[1:]
    command = ["chroot", root, python, program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        graph = read_heap(capture(process.pid))
        sessions = sum(graph.types.name[row] == "__main__.WorldSession" for row in graph.type)
        facts = {"executable": identify(process.pid).executable, "sessions": sessions}
        process.kill()
    sys.stdout.write(json.dumps(facts) + "\n")


main()
