"""Why objects live: everything outside the heap that refers into it.

Exact sources come first (modules, interpreter and thread state, frames). Words
of C globals and C stacks count only where an object has more references than
the graph shows: a stale or borrowed pointer keeps nothing alive.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

import numpy as np

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.objects import Found
from leakscope.cpython.threads import Interpreter, PythonThread
from leakscope.cpython.types import TypeTable
from leakscope.graph.heap import Roots
from leakscope.graph.kinds import Origin, Root
from leakscope.graph.origins import Origins
from leakscope.kernels._arrays import Int32s, UInt64s

_MOST_CALLBACKS = 10_000_000
_RED_ZONE = 128  # bytes below the stack pointer that a leaf function may use


@dataclass(frozen=True)
class Module:
    """One entry of ``sys.modules``."""

    name: str
    address: int
    namespace: int
    file: str | None


@dataclass
class RootRows:
    """Rows of ``Roots`` as they are found."""

    node: list[Int32s] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    name: list[int] = field(default_factory=list)
    origin: list[int] = field(default_factory=list)

    def add(self, nodes: Int32s, kind: Root, name: int, origin: Origin = Origin.INTERPRETER) -> None:
        """One row for each node that was found (not -1)."""
        nodes = nodes[nodes >= 0]
        if len(nodes):
            self.node.append(nodes)
            self.kind.append(kind)
            self.name.append(name)
            self.origin.append(origin)

    def nodes(self) -> Int32s:
        """All nodes so far, with repeats."""
        return np.concatenate(self.node) if self.node else np.zeros(0, np.int32)

    def table(self, number: Int32s) -> Roots:
        """The columns; ``number`` gives each node's final number, -1 if it is gone."""
        lengths = [len(nodes) for nodes in self.node]
        node = number[self.nodes()]
        kind, name, origin = (
            np.repeat(np.array(column, np.int32), lengths) for column in (self.kind, self.name, self.origin)
        )
        order = np.argsort(kind, kind="stable")
        order = order[node[order] >= 0]
        return Roots(node[order], kind[order].astype(np.uint8), name[order], origin[order].astype(np.uint8))


def read_modules(heap: HeapMemory, interpreters: list[Interpreter]) -> list[Module]:
    """What ``sys.modules`` of every interpreter holds, values that are no modules left out later."""
    found: dict[int, Module] = {}
    for interpreter in interpreters:
        for key, value in heap.dict_items(heap.word(interpreter.address + heap.layout.interp_modules)):
            namespace = heap.word(value + heap.layout.module_dict)
            file = next((v for k, v in heap.dict_items(namespace) if heap.text(k, 9) == "__file__"), 0)
            name = heap.text(key, 500)
            if name is not None and value not in found:
                found[value] = Module(name, value, namespace, heap.text(file, 4000) if file else None)
    return list(found.values())


class RootFinder:
    """Collects the rows; each method one source."""

    def __init__(self, heap: HeapMemory, found: Found, table: TypeTable, names: Names, origins: Origins) -> None:
        self.rows = RootRows()
        self._heap = heap
        self._found = found
        self._table = table
        self._names = names
        self._origins = origins

    def modules(self, modules: list[Module]) -> None:
        """Every module in ``sys.modules``, and ``builtins``."""
        for module in modules:
            kind = Root.BUILTINS if module.name == "builtins" else Root.MODULE
            self.rows.add(
                self._lookup([module.address]), kind, self._names.add(module.name),
                self._origins.of_module(module.name),
            )  # fmt: skip

    def interpreter(self, interpreter: Interpreter) -> None:
        """The fields of the interpreter's state that CPython names."""
        for name in self._heap.layout.__dataclass_fields__:
            offset = getattr(self._heap.layout, name)
            if name.startswith("interp_") and offset >= 0 and offset % 8 == 0:
                word = self._heap.word(interpreter.address + offset)
                self.rows.add(self._lookup([word]), Root.INTERPRETER, self._names.add(name.removeprefix("interp_")))
        self._at_exit(interpreter.address + self._heap.layout.interp_atexit_callbacks)

    def _at_exit(self, state: int) -> None:
        """What ``atexit.register`` was given: an array of pointers to function, arguments and keywords, each a word."""
        array, count = self._heap.word(state), self._heap.int32(state + 8)
        callbacks = self._heap.words(array, min(max(count, 0), _MOST_CALLBACKS)) if array else np.zeros(0, np.uint64)
        held = [self._heap.words(int(callback), 3) for callback in callbacks if callback]
        nodes = self._found.objects.lookup(np.concatenate([*held, np.zeros(0, np.uint64)]))
        self.rows.add(nodes, Root.INTERPRETER, self._names.add("atexit"))

    def static_types(self, interpreter: Interpreter) -> None:
        """Types in data segments, and what 3.12+ keeps of them per interpreter (pycore_typeobject.h)."""
        nodes = self._lookup([found.address for found in self._table.types])
        for found, node in zip(self._table.types, nodes, strict=True):
            if node >= 0 and not found.heap:
                self.rows.add(np.array([node], np.int32), Root.STATIC_TYPE, self._names.add(found.name))
        layout = self._heap.layout
        for start, most in (
            (layout.interp_static_types, layout.interp_static_types_max),
            (layout.interp_ext_types, layout.interp_ext_types_max),
        ):
            for slot in range(max(0, most) if start >= 0 else 0):
                self._static_type_state(interpreter.address + start + slot * layout.static_type_sizeof)

    def _static_type_state(self, state: int) -> None:
        layout = self._heap.layout
        row = self._table.row.get(self._heap.word(state + layout.static_type_type))
        if row is not None:
            held = [
                self._heap.word(state + offset) for offset in (layout.static_type_dict, layout.static_type_subclasses)
            ]
            self.rows.add(self._lookup(held), Root.STATIC_TYPE, self._names.add(self._table.types[row].name))

    def thread(self, thread: PythonThread) -> None:
        """What a thread's state holds, and its frames."""
        name = self._names.add(thread.name)
        size = max(self._heap.layout.tstate_sizeof, self._heap.layout.tstate_impl_sizeof)
        nodes = self._found.objects.lookup(self._heap.words(thread.state, size // 8))
        self.rows.add(np.unique(nodes), Root.THREAD, name)
        for frame in thread.frames:
            self.rows.add(self._lookup([frame.address]), Root.FRAME, name)

    def c_globals(self, unexplained: Int32s) -> None:
        """Words of each library's writable data that hold a count of their own."""
        for module in self._heap.image.modules:
            for start, end in module.data_ranges:
                nodes = self._owned(self._data_words(start, end), unexplained)
                name = self._names.add(posixpath.basename(module.path))
                self.rows.add(nodes, Root.C_GLOBAL, name)

    def c_stacks(self, threads: list[PythonThread], unexplained: Int32s) -> None:
        """Words on each thread's C stack, and its registers, that hold a count of their own."""
        names = {thread.native_id: thread.name for thread in threads if thread.native_id}
        for stood, (start, end) in zip(self._heap.image.threads, self._heap.image.stacks, strict=True):
            low = max(start, stood.stack_pointer - _RED_ZONE) & ~7
            words = self._data_words(low, end) if stood.stack_pointer else np.zeros(0, np.uint64)
            words = np.concatenate([words, np.array(stood.registers, np.uint64)])
            known_as = stood.tid if stood.inside is None else stood.inside
            name = names.get(known_as, f"thread {stood.tid}")
            self.rows.add(self._owned(words, unexplained), Root.C_STACK, self._names.add(name))

    def _data_words(self, start: int, end: int) -> UInt64s:
        """All words of the pages between two addresses that are there."""
        pages = self._heap.image.pages
        low, high = np.searchsorted(pages, np.array([start & ~4095, end], np.uint64))
        words = self._heap.image.buffer.view(np.uint64)[int(low) * 512 : int(high) * 512]
        lead = (start & 4095) // 8 if low < len(pages) and int(pages[low]) == start & ~4095 else 0
        return words[lead:]

    def _owned(self, words: UInt64s, unexplained: Int32s) -> Int32s:
        nodes = np.unique(self._found.objects.lookup(words))
        nodes = nodes[nodes >= 0]
        owned: Int32s = nodes[(unexplained[nodes] > 0) & (self._found.static[nodes] == 0)]
        return owned

    def _lookup(self, addresses: list[int]) -> Int32s:
        return self._found.objects.lookup(np.array(addresses, np.uint64))
