"""Where threads keep their frames."""

from __future__ import annotations

import pytest

from leakscope.cpython.layouts import layout_for
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.threads import read_interpreters
from leakscope.cpython.types import find_types
from leakscope.target.attach import capture
from tests.interpreters import Interpreter, one_per_version
from tests.truth.driver import running


@pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
def test_frames_lie_on_the_data_stack(interpreter: Interpreter) -> None:
    """Those that are no objects do, in memory that is not scanned for objects; 3.10 has none."""
    with running(interpreter.path, "holders") as target:
        image = capture(target.pid)
    heap = HeapMemory(image, layout_for(image.version))
    runtime = next(module.symbols["_PyRuntime"] for module in image.modules if "_PyRuntime" in module.symbols)
    threads = [thread for each in read_interpreters(heap, find_types(heap), runtime) for thread in each.threads]
    assert len(threads) > 1
    for thread in threads:
        bare = [frame.address for frame in thread.frames if not frame.is_object]
        assert bool(bare) == (interpreter.version >= (3, 11)) == bool(thread.data_stack)
        for address in bare:
            assert any(start < address < end for start, end in thread.data_stack)
