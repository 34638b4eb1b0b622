"""The own heap while other threads make and end objects as fast as they can: nothing of it may end while it is read."""

import subprocess
import sys

from tests.inprocess.test_expect_gone import ROOT

BUSY = """
import sys, threading
from leakscope.inprocess import heap

kept = [{} for _ in range(1000)]

def work():
    turn = 0
    while True:
        turn += 1
        kept[turn % 1000] = {"class": type("Short", (), {}) if turn % 7 == 0 else [turn], "inner": {"one": object()}}

sys.setswitchinterval(1e-6)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(20):
    assert heap.snapshot(collect=False).objects > 10_000
print("read", flush=True)
"""


def test_other_threads_wait_while_the_heap_is_read() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr
