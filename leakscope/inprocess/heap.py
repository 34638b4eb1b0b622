"""``snapshot``: the heap of one's own interpreter as a ``HeapGraph``, on any platform, without attaching to anything.

What the graph holds is what ``cpython.reader`` reads from outside, with two differences. Other threads are not
stopped, they wait for the GIL. And what only C code refers to has no name here: nothing reads C's memory.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import FrameType

import numpy as np

from leakscope.errors import UnsupportedTargetError
from leakscope.graph.heap import Frames, HeapGraph, Int32s, Labels, Roots, Types
from leakscope.graph.kinds import Node, Origin, Ref, Root
from leakscope.graph.navigation import references_of
from leakscope.inprocess.classes import FLAGS_OF, HEAP_TYPE, class_name, origins
from leakscope.kernels.edges import Edges
from leakscope.kernels.inprocess import OwnHeap, read_own_heap
from leakscope.kernels.traverse import REACHED, reach

_OLDEST, _NEWEST = (3, 10), (3, 13)
_STRONG = frozenset(Ref) - {Ref.WEAK}
_OWN_CODE = ("leakscope.inprocess.", "leakscope.kernels.")


def snapshot(*, collect: bool = True) -> HeapGraph:
    """All objects of this process, who refers to whom, and why they live.

    ``collect`` frees garbage first; without it, garbage is there and marked so. What leakscope makes for the
    snapshot is left out, and so are the frames of its own functions that are running. Keys of dicts are masked
    and no value is kept, as in a snapshot from outside; there are no ``sessions``, since no rule is evaluated.
    A class's own ``__sizeof__`` is not run. Raises UnsupportedTargetError on what is not CPython 3.10 to 3.13.
    """
    _require_cpython()
    began = time.perf_counter()
    if collect:
        gc.collect()
    captured_at = time.time()
    thread_names = {thread.ident: thread.name for thread in threading.enumerate()}
    modules: list[tuple[str, object]] = list(sys.modules.items())
    hidden: list[object] = [thread_names, modules, *modules]
    seeds: list[object] = [sys.modules, *[module for _, module in modules]]
    collecting = gc.isenabled()
    gc.disable()
    try:
        stopped = time.perf_counter()
        hidden.append(sys._getframe())
        own = read_own_heap(gc.get_objects, seeds, _visible_frame(), hidden)
        pause = time.perf_counter() - stopped
    finally:
        hidden.clear()  # a frame that refers to itself would wait for the collector, and keep all that it knows
        if collecting:
            gc.enable()
    graph = _Naming(own, modules, thread_names).graph()
    own.frames_of_threads.clear()
    graph.facts.update(_facts(captured_at, pause, time.perf_counter() - began))
    return graph


def _require_cpython() -> None:
    version = sys.version_info[:2]
    if sys.implementation.name != "cpython" or not _OLDEST <= version <= _NEWEST:
        raise UnsupportedTargetError(
            f"{platform.python_implementation()} {platform.python_version()} cannot take a snapshot of itself",
            "CPython 3.10 to 3.13 can.",
        )
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise UnsupportedTargetError(
            "A CPython without GIL cannot take a snapshot of itself", "Use the ordinary build of this version."
        )


def _visible_frame() -> FrameType | None:
    """The innermost frame that is not leakscope's own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OWN_CODE):
        frame = frame.f_back
    return frame


def _facts(captured_at: float, pause: float, elapsed: float) -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "runtime": "cpython",
        "version": platform.python_version(),
        "captured_at": captured_at,
        "started_at": None,
        "strategy": "in process",
        "pause_ms": round(pause * 1000, 3),
        "copied_bytes": 0,
        "elapsed_s": round(elapsed, 3),
        "warnings": [],
    }


@dataclass
class _RootRows:
    """Rows of ``Roots`` as they are found."""

    node: list[Int32s] = field(default_factory=list)
    kind: list[Int32s] = field(default_factory=list)
    name: list[Int32s] = field(default_factory=list)
    origin: list[Int32s] = field(default_factory=list)

    def add(self, node: Int32s, kind: Root, name: Int32s | int, origin: Int32s | int = Origin.INTERPRETER) -> None:
        """One row for each node that is there (not -1)."""
        there = node >= 0
        self.node.append(node[there])
        columns = ((self.kind, int(kind)), (self.name, name), (self.origin, origin))
        for column, value in columns:
            column.append(np.broadcast_to(np.asarray(value, dtype=np.int32), node.shape)[there])

    def table(self) -> Roots:
        node, kind, name, origin = (np.concatenate(each) for each in (self.node, self.kind, self.name, self.origin))
        order = np.argsort(kind, kind="stable")
        return Roots(node[order], kind[order].astype(np.uint8), name[order], origin[order].astype(np.uint8))


class _Naming:
    """Turns what the kernel read into a graph: types, roots and whose code it is."""

    def __init__(self, own: OwnHeap, modules: list[tuple[str, object]], threads: dict[int | None, str]) -> None:
        self._own = own
        self._modules = [(name, module) for name, module in modules if isinstance(name, str)]
        self._threads = threads
        self._origins = origins()
        self._number = {name: number for number, name in enumerate(own.names)}
        self._flags = own.flags

    def graph(self) -> HeapGraph:
        own = self._own
        types = self._types()
        roots = _RootRows()
        self._certain(roots, types)
        runs = own.runs
        files, which = np.unique(runs[:, 2], return_inverse=True)
        origin = np.array([self._origin_of_file(own.names[file]) for file in files.tolist()], dtype=np.uint8)
        node, function, file, line = (np.ascontiguousarray(runs[:, at]) for at in range(4))
        graph = HeapGraph(
            own.address, own.type, own.own_size, self._flags, own.first_ref, own.target, own.kind, own.label,
            types, own.names, Labels(own.keys, own.key_names),
            Frames(node, function, file, line, origin[which.reshape(-1)]), roots.table(),
        )  # fmt: skip
        self._unseen(roots, graph)
        return replace(graph, roots=roots.table())

    def _types(self) -> Types:
        own = self._own
        names = [class_name(each) for each in own.types]
        heap = [bool(FLAGS_OF(each) & HEAP_TYPE) for each in own.types]
        origin = [self._origins.of_type(*pair) for pair in zip(names, heap, strict=True)]
        self._static = ~np.array(heap, dtype=np.bool_)
        return Types(names, self._nodes(own.types), own.base, np.array(origin, dtype=np.uint8))

    def _certain(self, roots: _RootRows, types: Types) -> None:
        """What is alive by itself, as far as Python code can know."""
        own = self._own
        seen: dict[int, str] = {}
        for name, module in self._modules:
            seen.setdefault(id(module), name)
        first = [(name, module) for name, module in self._modules if seen[id(module)] == name]
        nodes = self._nodes([module for _, module in first])
        numbers = np.array([self._add(name) for name, _ in first], dtype=np.int32)
        origin = np.array([self._origins.of_module(name) for name, _ in first], dtype=np.int32)
        builtin = np.array([name == "builtins" for name, _ in first], dtype=np.bool_)
        roots.add(nodes[builtin], Root.BUILTINS, numbers[builtin], origin[builtin])
        roots.add(nodes[~builtin], Root.MODULE, numbers[~builtin], origin[~builtin])
        roots.add(self._nodes([sys.modules]), Root.INTERPRETER, self._add("modules"))
        static = [self._add(types.name[row]) for row in np.flatnonzero(self._static).tolist()]
        roots.add(types.node[self._static], Root.STATIC_TYPE, np.array(static, dtype=np.int32))
        for held, kind in ((own.held_by_threads, Root.THREAD), (own.frames_of_threads, Root.FRAME)):
            thread = [self._add(self._threads.get(ident, f"thread {ident}")) for _, ident in held]
            nodes = self._nodes([each for each, _ in held])
            roots.add(nodes, kind, np.array(thread, dtype=np.int32))
            if kind == Root.FRAME:
                self._flags[nodes[nodes >= 0]] |= np.uint8(Node.FRAME)

    def _unseen(self, roots: _RootRows, graph: HeapGraph) -> None:
        """What nothing known leads to: C code holds it if it has more references than the graph shows, else it is
        garbage."""
        own = self._own
        late = np.zeros(len(own.address), dtype=np.uint8)
        late[own.late] = 1
        _, position = references_of(graph, own.late)
        strong = own.kind[position] != Ref.WEAK
        explained = np.bincount(own.target[position[strong]], minlength=len(late))
        unseen = own.late[own.late_count > explained[own.late]]
        roots.add(unseen, Root.C_UNSEEN, -1)
        edges = Edges(own.first_ref, own.target, own.kind, _STRONG)
        held = reach(edges, unseen, 1 - late) == REACHED
        garbage = own.late[~held[own.late]]
        self._flags[garbage] |= np.uint8(Node.GARBAGE)
        roots.add(garbage, Root.GARBAGE, -1)

    def _nodes(self, objects: Sequence[object]) -> Int32s:
        """The nodes of objects, -1 for those that are not in the graph."""
        wanted = np.array([id(each) for each in objects], dtype=np.uint64)
        if not len(self._own.address):
            return np.full(len(wanted), -1, dtype=np.int32)
        at = np.searchsorted(self._own.address, wanted).clip(max=len(self._own.address) - 1)
        return np.where(self._own.address[at] == wanted, at, -1).astype(np.int32)

    def _add(self, name: str) -> int:
        number = self._number.setdefault(name, len(self._own.names))
        if number == len(self._own.names):
            self._own.names.append(name)
        return number

    def _origin_of_file(self, file: str) -> Origin:
        return self._origins.of_file(file.replace("\\", "/"))
