"""Words that look like an object and are none; and large objects, which have no allocator's block around them."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from leakscope.cpython import read_heap
from leakscope.target.attach import capture
from tests.interpreters import Interpreter, one_per_version

TARGET = """
import mmap, struct, sys
class Session:
    pass
class Row(tuple):
    pass
one, large = Session(), Row(range(3_000_000))
pages = mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(16):  # before an instance lie 16 bytes, or 32 since 3.11
    place = 4096 * page + 16 * (page % 2)
    pages[place + 16 : place + 48] = struct.pack("QQQQ", id(one) - 16, 0, 1, id(Session))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
def test_what_a_stack_left_at_the_begin_of_a_page_is_no_object(interpreter: Interpreter) -> None:
    """There it lies where it would in a large block of its own, if glibc's size were before it."""
    with subprocess.Popen([interpreter.path, "-c", TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        graph = read_heap(capture(process.pid))
        process.communicate(b"")
    of = {name: int(np.count_nonzero(graph.type == row)) for row, name in enumerate(graph.types.name)}
    assert (of["__main__.Session"], of["__main__.Row"]) == (1, 1)
