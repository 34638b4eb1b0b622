"""Which addresses are objects, of which type; and their references, as the kernels read them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.shapes import ShapeTable
from leakscope.cpython.threads import PythonThread
from leakscope.cpython.types import TypeTable
from leakscope.kernels import _columns, _shapes, layout, outermost, references, scan, sizes
from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.frames import name_closures
from leakscope.kernels.memory import Objects

_THREADS = 2
_LARGEST_CHUNK = 1 << 24
_DEBUG_MARK = np.uint64(0xFDFDFDFDFDFDFD6F)
"""Before each block under ``PYTHONMALLOC=debug`` or ``-X dev``: an ``o`` and forbidden bytes (obmalloc.c)."""
_DEBUG_HEAD = 16
FRAME_LABELS = ("f_func", "f_code", "f_locals", "frame object", "f_frame")


@dataclass(frozen=True)
class Found:
    """All objects of a heap, ascending by address."""

    objects: Objects
    offsets: Int64s
    """Places in the image's buffer."""
    rows: Int32s
    """Rows of the table of types; the one behind the last is that of running frames."""
    addresses: UInt64s
    static: UInt8s
    """1 for objects in a library's data segment."""


@dataclass(frozen=True)
class References:
    """Compressed sparse rows; kinds may still carry ``_shapes.UNRESOLVED``."""

    first_ref: Int64s
    target: Int32s
    kind: UInt8s
    label: Int32s


def find_objects(heap: HeapMemory, table: TypeTable, shapes: ShapeTable, threads: list[PythonThread]) -> Found:
    """Scans all pages for objects; the running frames of ``threads`` that are no objects are added as such."""
    frames = [frame.address for thread in threads for frame in thread.frames if not frame.is_object]
    image = heap.image
    addresses = np.array([found.address for found in table.types], np.uint64)
    has_gc = np.array([bool(found.flags & heap.layout.flag_have_gc) for found in table.types], np.uint8)
    is_heap = np.array([found.heap for found in table.types], np.uint8)
    static = _pages_in(heap, [area for module in image.modules for area in module.data_ranges])
    stack = _pages_in(heap, [*image.stacks, *(chunk for thread in threads for chunk in thread.data_stack)])
    before_blocks = _words_before_classes(heap, table)
    glibc = _is_of_glibc(heap, table, before_blocks)
    pages = len(image.pages)
    bounds = [pages * part // _THREADS << 12 for part in range(_THREADS + 1)]

    # The row of running frames, the last, is no type to look for.
    heads, least = shapes.columns[:-1, _shapes.Column.HEAD].astype(np.uint8), _least_bytes(heap, shapes)
    if np.any(before_blocks == _DEBUG_MARK):
        heads += np.uint8(_DEBUG_HEAD)

    def mark(part: int) -> tuple[Int64s, Int32s]:
        return scan.mark_objects(
            heap.paged,
            image.pages,
            addresses,
            has_gc,
            is_heap,
            heads,
            least,
            static,
            stack,
            glibc,
            bounds[part],
            bounds[part + 1],
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(mark, range(_THREADS)))
    offsets, rows = _fitting(heap, shapes, parts, static)
    return _found(heap, *_with_frames(heap, offsets, rows, frames, len(table.types)), static)


def _words_before_classes(heap: HeapMemory, table: TypeTable) -> UInt64s:
    """What stands before the memory of each class, which is too large for pymalloc: the hand of the allocator."""
    addresses = np.array([found.address for found in table.types if found.heap], np.uint64)
    return heap.paged.gather(addresses - np.uint64(heap.layout.gc_head_sizeof + 8))


def _is_of_glibc(heap: HeapMemory, table: TypeTable, before: UInt64s) -> bool:
    """Whether malloc is glibc's, and not musl's, jemalloc or mimalloc: most classes lie in its chunks then."""
    addresses = np.array([found.address for found in table.types if found.heap], np.uint64)
    size = before & ~np.uint64(7)
    fits = (size >= 32) & (size % np.uint64(16) == 0) & (size < _LARGEST_CHUNK)
    following = addresses - np.uint64(heap.layout.gc_head_sizeof + 8) + np.where(fits, size, np.uint64(0))
    is_chunk = fits & (heap.paged.gather(following) & np.uint64(1) == 1)
    return 2 * int(np.count_nonzero(is_chunk)) >= len(addresses)


def with_more_frames(heap: HeapMemory, found: Found, frames: Iterable[int], row: int) -> Found:
    """``found`` and the interpreter frames at these addresses; ``row`` is that of running frames."""
    static = _pages_in(heap, [area for module in heap.image.modules for area in module.data_ranges])
    return _found(heap, *_with_frames(heap, found.offsets, found.rows, frames, row), static)


def _found(heap: HeapMemory, offsets: Int64s, rows: Int32s, static: UInt8s) -> Found:
    return Found(Objects(heap.paged, offsets), offsets, rows, *scan.addresses_of(heap.image.pages, offsets, static))


def _pages_in(heap: HeapMemory, areas: Iterable[tuple[int, int]]) -> UInt8s:
    """1 for the pages that lie in one of the areas ``[start, end)``."""
    pages = heap.image.pages
    mask = np.zeros(len(pages), np.uint8)
    for start, end in areas:
        low, high = np.searchsorted(pages, np.array([start, end], np.uint64))
        mask[low:high] = 1
    return mask


def _least_bytes(heap: HeapMemory, shapes: ShapeTable) -> Int64s:
    """The fixed part per type; compact strings and naive datetimes are allocated shorter than their basic size."""
    least: Int64s = shapes.columns[:, _shapes.Column.BASIC].copy()
    least[shapes.columns[:, _shapes.Column.SHAPE] == _shapes.Shape.STR] = heap.layout.unicode_ascii_sizeof
    least[shapes.naive] -= 8
    return least


def _fitting(
    heap: HeapMemory, shapes: ShapeTable, parts: list[tuple[Int64s, Int32s]], static: UInt8s
) -> tuple[Int64s, Int32s]:
    """The candidates that fit their memory and do not lie inside another object, of all parts."""
    least, items = _least_bytes(heap, shapes), shapes.columns[:, _shapes.Column.ITEM].copy()
    rules, heads = (
        shapes.columns[:, column].astype(np.uint8) for column in (_shapes.Column.COUNT, _shapes.Column.HEAD)
    )
    kept, free_from = [], 0
    for offsets, rows in parts:
        count, free_from = outermost.keep_outermost(
            heap.paged, heap.image.pages, offsets, rows, least, items, rules, heads, static, free_from
        )
        kept.append((offsets[:count], rows[:count]))
    return _columns.joined([offsets for offsets, _ in kept]), _columns.joined([rows for _, rows in kept])


def _with_frames(
    heap: HeapMemory, offsets: Int64s, rows: Int32s, frames: Iterable[int], row: int
) -> tuple[Int64s, Int32s]:
    pages = heap.image.pages
    addresses = np.array(sorted(set(frames)), np.uint64)
    index = np.minimum(np.searchsorted(pages, addresses & ~np.uint64(4095)), max(0, len(pages) - 1))
    there = pages[index] == addresses & ~np.uint64(4095) if len(pages) else np.zeros(0, bool)
    extra = (index[there] << 12) + (addresses[there] & np.uint64(4095)).astype(np.int64)
    at = np.searchsorted(offsets, extra)
    new = offsets[np.minimum(at, len(offsets) - 1)] != extra
    at, extra = at[new], extra[new]
    if not len(at):
        return offsets, rows
    return _inserted(offsets, at, extra), _inserted(rows, at, np.full(len(extra), row, np.int32))


def _inserted(column: npt.NDArray[Any], at: Int64s, extra: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``numpy.insert`` into a large column."""
    parts = np.split(column, at)
    return _columns.joined(
        [piece for pair in zip(parts, np.split(extra, len(extra)), strict=False) for piece in pair] + [parts[-1]]
    )


def kernel_layout(heap: HeapMemory) -> layout.Layout:
    """The numbers of this version in the form that the kernels take."""
    return layout.Layout(heap.layout, int(heap.image.version.split(".")[1]))


def own_sizes(heap: HeapMemory, shapes: ShapeTable, found: Found) -> Int64s:
    """Bytes of each object as ``sys.getsizeof`` counts."""
    return sizes.own_sizes(heap.paged, kernel_layout(heap), found.offsets, found.rows, shapes.columns)


def read_references(heap: HeapMemory, shapes: ShapeTable, found: Found, names: Names) -> References:
    """All references of all objects, read by two threads."""
    numbers = kernel_layout(heap)
    labels = np.array([names.add(name) for name in FRAME_LABELS], np.int32)
    modules = found.addresses[shapes.of_kind(shapes.modules, found.rows)]
    states = heap.paged.gather(modules + np.uint64(heap.layout.module_state))
    total = len(found.offsets)
    bounds = [total * part // _THREADS for part in range(_THREADS + 1)]

    def read(part: int) -> tuple[Int32s, Int32s, UInt8s, Int32s]:
        reader = references.ReferenceReader(
            found.objects, numbers, found.offsets, found.rows, heap.image.pages, shapes.columns,
            shapes.word_label, shapes.word_kind, labels, states,
        )  # fmt: skip
        return reader.read(bounds[part], bounds[part + 1])

    with ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(read, range(_THREADS)))
    first = _columns.zeros(total + 1, np.int64)
    np.cumsum(_columns.joined([part[0] for part in parts]), out=first[1:])
    target, kind, label = (_columns.joined([part[column] for part in parts]) for column in (1, 2, 3))
    functions = found.addresses[shapes.of_kind(shapes.functions, found.rows)]
    name_closures(found.objects, numbers, functions, first, target, kind, label)
    return References(first, target, kind, label)
