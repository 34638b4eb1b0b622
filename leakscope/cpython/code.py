"""Function, file and line of everything that runs code: frames, generators, functions, code objects."""

from __future__ import annotations

import numpy as np

from leakscope.cpython.lines import CodeFacts, line_at, read_code
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.objects import Found
from leakscope.graph.heap import Frames
from leakscope.graph.origins import Origins
from leakscope.kernels._arrays import Int32s, UInt64s
from leakscope.kernels._shapes import Shape

_MOST_LINES = 1 << 30
_UNSTARTED = np.uint64((1 << 64) - 1)


class CodeReader:
    """Builds the ``Frames`` table; reads each code object, and each place in it, once."""

    def __init__(self, heap: HeapMemory, found: Found, names: Names, origins: Origins) -> None:
        self._heap = heap
        self._found = found
        self._names = names
        self._origins = origins
        self._facts: dict[int, CodeFacts] = {}
        self._rows: list[tuple[Int32s, UInt64s, UInt64s]] = []

    def add_code(self, nodes: Int32s) -> None:
        """Code objects: they stand at their first line."""
        self._rows.append((nodes, self._found.addresses[nodes], np.full(len(nodes), _UNSTARTED)))

    def add_functions(self, nodes: Int32s) -> None:
        """Functions: at the first line of their code."""
        code = self._words(nodes, self._heap.layout.function_code)
        self._rows.append((nodes, code, np.full(len(nodes), _UNSTARTED)))

    def add_frames(self, nodes: Int32s, shape: Shape) -> None:
        """Running frames, frame objects or generators: at the line where they stand."""
        layout = self._heap.layout
        if layout.iframe_code < 0:
            frames = self._found.addresses[nodes]
            if shape == Shape.GENERATOR:
                code = self._words(nodes, layout.generator_code)
                frames = self._words(nodes, layout.generator_frame)
            else:
                code = self._words(nodes, layout.frame_code)
            lasti = self._heap.paged.gather(frames + np.uint64(layout.frame_lasti))
            lasti = (lasti & np.uint64(0xFFFFFFFF)).astype(np.uint32).astype(np.int32)
            offset = np.maximum(lasti, 0).astype(np.uint64) * np.uint64(2)
            offset[frames == 0] = _UNSTARTED
            self._rows.append((nodes, code, offset))
            return
        if shape == Shape.FRAME:
            frames = self._words(nodes, layout.frame_interp_frame)
        else:
            start = layout.generator_iframe if shape == Shape.GENERATOR else 0
            frames = self._found.addresses[nodes] + np.uint64(start)
        code = self._heap.paged.gather(frames + np.uint64(layout.iframe_code))
        instruction = self._heap.paged.gather(frames + np.uint64(layout.iframe_instr))
        begin = code + np.uint64(layout.code_code_adaptive)
        self._rows.append((nodes, code, np.where(instruction > begin, instruction - begin, np.uint64(0))))

    def table(self) -> Frames:
        """One row per node that was added and whose code is known."""
        nodes = np.concatenate([row[0] for row in self._rows])
        code = np.concatenate([row[1] for row in self._rows])
        offset = np.concatenate([row[2] for row in self._rows])
        nodes, first = np.unique(nodes, return_index=True)
        code, offset = code[first], offset[first]
        places, inverse = np.unique(np.stack([code, offset], axis=1), axis=0, return_inverse=True)
        facts = [self._place(int(c), int(o)) for c, o in places.tolist()]
        columns = np.array(facts or np.zeros((0, 4)), np.int64)[inverse.reshape(-1)]
        known = columns[:, 0] >= 0
        function, file, line, origin = columns[known].T
        return Frames(
            nodes[known].astype(np.int32), function.astype(np.int32), file.astype(np.int32),
            line.astype(np.int32), origin.astype(np.uint8),
        )  # fmt: skip

    def _place(self, code: int, offset: int) -> tuple[int, int, int, int]:
        if self._found.objects.lookup(np.array([code], np.uint64))[0] < 0:
            return -1, 0, 0, 0
        facts = self._facts.get(code)
        if facts is None:
            facts = self._facts[code] = read_code(self._heap, code)
        line = facts.first_line if offset == int(_UNSTARTED) else line_at(self._heap, code, offset)
        return (
            self._names.add(facts.function), self._names.add(facts.file), line if 0 <= line < _MOST_LINES else 0,
            self._origins.of_file(facts.file),
        )  # fmt: skip

    def _words(self, nodes: Int32s, offset: int) -> UInt64s:
        return self._heap.paged.gather(self._found.addresses[nodes] + np.uint64(offset))
