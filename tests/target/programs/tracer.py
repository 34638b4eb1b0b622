"""Traces a process, as a debugger does, until its standard input ends: ``tracer.py PID``."""

import json
import sys

from leakscope.target import libc

libc.ptrace(libc.PTRACE_SEIZE, int(sys.argv[1]))
sys.stdout.write(json.dumps({"tracing": True}) + "\n")
sys.stdout.flush()
sys.stdin.read()
