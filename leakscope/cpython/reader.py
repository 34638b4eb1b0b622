"""From the copied memory of a CPython process to a ``HeapGraph``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from leakscope.cpython.code import CodeReader
from leakscope.cpython.greenlets import GREENLET, GREENLET_FRAME, suspended_frames, with_suspended_frames
from leakscope.cpython.labels import Namespaces, resolve_labels
from leakscope.cpython.layouts import DEBUG_OFFSETS_BYTES, Layout, layout_for, overlay_debug_offsets
from leakscope.cpython.liveness import Liveness
from leakscope.cpython.local_time import utc_offset
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.objects import Found, References, find_objects, own_sizes, read_references, with_more_frames
from leakscope.cpython.roots import Module, RootFinder, read_modules
from leakscope.cpython.shapes import ShapeTable, describe_types
from leakscope.cpython.threads import Interpreter, read_interpreters
from leakscope.cpython.types import TypeTable, find_types
from leakscope.errors import UnsupportedTargetError
from leakscope.graph.heap import Frames, HeapGraph, Labels, Types
from leakscope.graph.kinds import Node, Ref
from leakscope.graph.origins import Origins
from leakscope.kernels import _columns
from leakscope.kernels._arrays import Int32s, UInt8s, UInt64s
from leakscope.kernels._shapes import Column, Shape
from leakscope.target.image import MemoryImage

Progress = Callable[[str, float], None]
FRAME_TYPE = "frame"


def read_heap(image: MemoryImage, reveal: bool = False, progress: Progress | None = None) -> HeapGraph:
    """Every object of the process, who refers to whom, and why it lives.

    ``reveal`` keeps the texts of dict keys that are data. ``progress(stage, fraction)`` is called between stages.
    Raises UnsupportedTargetError if the memory does not look like the CPython it claims to be.
    """
    return _Reading(image, reveal, progress or (lambda stage, fraction: None)).graph()


class _Reading:
    """One reading of one image: the stages, in order, and what they hand on."""

    def __init__(self, image: MemoryImage, reveal: bool, report: Progress) -> None:
        self.image = image
        self.reveal = reveal
        self.report = report
        self.runtime = next((m.symbols["_PyRuntime"] for m in image.modules if "_PyRuntime" in m.symbols), 0)
        self.heap = HeapMemory(image, layout_for(image.version))
        self.heap.layout = _verified_layout(self.heap, self.runtime)
        self.names = Names()

    def graph(self) -> HeapGraph:
        heap, names = self.heap, self.names
        self.report("types", 0.0)
        table = find_types(heap)
        shapes = describe_types(heap, table, names)
        interpreters = read_interpreters(heap, table, self.runtime)
        _require_interpreter(heap, interpreters)
        modules = read_modules(heap, interpreters)
        origins = Origins({module.name: module.file for module in modules})
        self.report("objects", 0.1)
        threads = [thread for each in interpreters for thread in each.threads]
        found = find_objects(heap, table, shapes, threads)
        suspended = suspended_frames(heap, _greenlets(table, found))
        if len(suspended.node):
            found = with_more_frames(heap, found, suspended.node[~suspended.is_object].tolist(), len(table.types))
        self.report("references", 0.3)
        refs = read_references(heap, shapes, found, names)
        if len(suspended.node):
            refs = with_suspended_frames(refs, found, suspended, names.add(GREENLET_FRAME))
        sizes = own_sizes(heap, shapes, found)
        self.report("names", 0.6)
        labels = resolve_labels(heap, found, shapes, refs, _namespaces(found, refs, shapes), names, self.reveal)
        frames = _frames(heap, found, shapes, names, origins)
        self.report("roots", 0.8)
        liveness = Liveness(heap, found, refs, shapes)
        finder = RootFinder(heap, found, table, names, origins)
        self._exact_roots(finder, interpreters, modules)
        liveness.settle(finder, threads, found.objects.lookup(suspended.node))
        refs, number, garbage = liveness.pruned()
        self.report("done", 1.0)
        flags = self._flags(found, shapes, liveness, garbage)
        types = _types(table, found, origins, number)
        columns = (_columns.squeezed(column, number >= 0) for column in (found.addresses, found.rows, sizes, flags))
        address, row, own_size, flag = columns
        return HeapGraph(
            address, row, own_size, flag,
            refs.first_ref, refs.target, refs.kind, refs.label,
            types, names.texts, _renumbered_labels(labels, number),
            _renumbered_frames(frames, number), finder.rows.table(number),
            facts={**self._facts(modules), "gc": _collector(heap, interpreters[0])},
        )  # fmt: skip

    def _exact_roots(self, finder: RootFinder, interpreters: list[Interpreter], modules: list[Module]) -> None:
        finder.modules(modules)
        for interpreter in interpreters:
            finder.interpreter(interpreter)
            finder.static_types(interpreter)
            for thread in interpreter.threads:
                finder.thread(thread)

    def _flags(self, found: Found, shapes: ShapeTable, liveness: Liveness, garbage: UInt8s) -> UInt8s:
        by_row = np.zeros(len(shapes.columns), np.uint8)
        by_row[shapes.columns[:, Column.SHAPE] == Shape.RUNNING_FRAME] = Node.FRAME
        by_row[shapes.columns[:, Column.SHAPE] == Shape.TYPE] = Node.CLASS
        by_row[shapes.modules] |= np.uint8(Node.MODULE)
        flags: UInt8s = by_row[found.rows]
        for bit, mask in (
            (Node.GC_TRACKED, liveness.tracked),
            (Node.IMMORTAL, liveness.immortal),
            (Node.GARBAGE, garbage != 0),
        ):
            flags[mask] |= np.uint8(bit)
        return flags

    def _facts(self, modules: list[Module]) -> dict[str, Any]:
        facts = self.image.facts
        return {
            "pid": facts.pid,
            "runtime": "cpython",
            "version": self.image.version,
            "captured_at": facts.captured_at,
            "started_at": facts.started_at,
            "monotonic_at": facts.monotonic_at,
            "boottime_at": facts.boottime_at,
            "utc_offset_s": utc_offset(self.heap, modules, facts),
            "strategy": facts.strategy,
            "pause_ms": facts.pause_ms,
            "copied_bytes": facts.copied_bytes,
            "warnings": list(facts.warnings),
        }


def _greenlets(table: TypeTable, found: Found) -> UInt64s:
    """The addresses of all instances of ``greenlet.greenlet`` and of classes of its kind."""
    is_greenlet = [any(base.name == GREENLET for base in table.bases(each)) for each in table.types]
    addresses: UInt64s = found.addresses[np.array([*is_greenlet, False])[found.rows]]
    return addresses


def _collector(heap: HeapMemory, interpreter: Interpreter) -> dict[str, bool]:
    """Whether the collector runs by itself: ``enabled`` follows a pointer and an int in ``_gc_runtime_state``."""
    return {"enabled": heap.int32(interpreter.address + heap.layout.interp_gc + 12) != 0}


def _verified_layout(heap: HeapMemory, runtime: int) -> Layout:
    if heap.layout.runtime_debug_offsets < 0:
        return heap.layout
    raw = heap.read(runtime + heap.layout.runtime_debug_offsets, DEBUG_OFFSETS_BYTES)
    return overlay_debug_offsets(heap.layout, raw or b"")


def _require_interpreter(heap: HeapMemory, interpreters: list[Interpreter]) -> None:
    """The offsets are verified per minor version: a build that moved them must not be guessed at."""
    if not any(
        interpreter.threads and heap.word(heap.word(interpreter.address + heap.layout.interp_modules))
        for interpreter in interpreters
    ):
        raise UnsupportedTargetError(
            f"No interpreter state of CPython {heap.image.version} was found where it should be",
            "The process may be starting or ending: try again. Patched or debug builds are not supported.",
        )


def _namespaces(found: Found, refs: References, shapes: ShapeTable) -> Namespaces:
    """The dicts behind ``__dict__`` references, by whose they are."""
    held = np.flatnonzero(refs.kind == Ref.DICT)
    holder = np.searchsorted(refs.first_ref, held, side="right") - 1
    rows = found.rows[holder]
    public = shapes.are(Shape.TYPE, rows) | shapes.of_kind(shapes.modules, rows)
    target = refs.target[held]
    is_dict = shapes.are(Shape.DICT, found.rows[target])
    return Namespaces(np.unique(target[is_dict & ~public]), np.unique(target[is_dict & public]))


def _frames(heap: HeapMemory, found: Found, shapes: ShapeTable, names: Names, origins: Origins) -> Frames:
    reader = CodeReader(heap, found, names, origins)
    for which in (Shape.FRAME, Shape.GENERATOR, Shape.RUNNING_FRAME):
        reader.add_frames(np.flatnonzero(shapes.are(which, found.rows)).astype(np.int32), which)
    reader.add_functions(np.flatnonzero(shapes.of_kind(shapes.functions, found.rows)).astype(np.int32))
    reader.add_code(np.flatnonzero(shapes.of_kind(shapes.codes, found.rows)).astype(np.int32))
    return reader.table()


def _types(table: TypeTable, found: Found, origins: Origins, number: Int32s) -> Types:
    addresses = np.array([each.address for each in table.types], np.uint64)
    nodes = found.objects.lookup(addresses)
    nodes = np.where(nodes >= 0, number[nodes], -1)
    return Types(
        [each.name for each in table.types] + [FRAME_TYPE],
        np.append(nodes, -1).astype(np.int32),
        _without_circles(np.array([table.row.get(each.base, -1) for each in table.types] + [-1], np.int32)),
        np.array([origins.of_type(each.name, each.heap) for each in table.types] + [0], np.uint8),
    )


def _without_circles(base: Int32s) -> Int32s:
    """Torn memory may make a type its own ancestor: such types get no base."""
    above = np.append(base, np.int32(-1))  # so that -1, "no base", is its own base
    for _ in range(len(base).bit_length()):
        above = above[above]
    return np.where(above[:-1] == -1, base, np.int32(-1)).astype(np.int32)


def _renumbered_labels(labels: Labels, number: Int32s) -> Labels:
    node = number[labels.node]
    return Labels(node[node >= 0], labels.name[node >= 0])


def _renumbered_frames(frames: Frames, number: Int32s) -> Frames:
    node = number[frames.node]
    there = node >= 0
    return Frames(node[there], frames.function[there], frames.file[there], frames.line[there], frames.origin[there])
