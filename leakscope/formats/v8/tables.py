"""The tables of a snapshot as columns, and its texts, which are decoded one by one when they are asked for."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.members import Malformed, Members, Meta
from leakscope.graph.heap import Addresses, Int8s, Int32s, Int64s
from leakscope.kernels import v8

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[str, float], None]
_CHUNK_ROWS = 1 << 12
"""Rows that are split into columns at a time: few enough to stay in the cache."""
_INT32_END = 1 << 31
_MOST_LINES = 1 << 30
_MOST_BYTES = 1 << 52


@dataclass(frozen=True)
class RawEdges:
    """The table of edges, in the order of their nodes."""

    type: Int8s
    name: Int32s
    """In ``Raw.texts``, except those of positions."""
    to: Int32s
    """Node number."""


@dataclass
class Raw:
    """The tables as they are in the file."""

    node_type: Int8s
    node_name: Int32s
    """In ``texts``."""
    node_id: Int64s
    node_size: Int64s
    first_edge: Int64s
    """Length nodes + 1."""
    edges: RawEdges | None
    """None once they are taken."""
    located: Int32s
    """Node numbers with a line."""
    line: Int32s
    texts: Texts

    def take_edges(self) -> RawEdges:
        """They are large, and nobody needs them twice. ValueError if somebody does."""
        edges, self.edges = self.edges, None
        if edges is None:
            raise ValueError("the edges were taken before")
        return edges


@dataclass(frozen=True)
class Texts:
    """The table of texts, by number."""

    data: Bytes
    begin: Int64s
    end: Int64s

    def __len__(self) -> int:
        return len(self.begin)

    def text(self, number: int, longest: int = 1 << 20) -> str:
        """The first bytes of one text; lone surrogates are replaced."""
        begin, end = int(self.begin[number]), int(self.end[number])
        raw = self.data[begin : min(end, begin + longest)].tobytes()
        if b"\\" not in raw:
            return raw.decode("utf-8", "replace")
        try:
            decoded: str = json.loads(b'"' + raw + b'"', strict=False)
        except ValueError:
            return raw.decode("utf-8", "replace")
        return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def all_of(self, numbers: Iterable[int]) -> list[str]:
        """Several texts."""
        return [self.text(number) for number in numbers]

    def masks(self, numbers: Int32s) -> Addresses:
        """48-bit BLAKE2b masks, as ``hashlib`` gives them for the UTF-8 text."""
        from hashlib import blake2b

        used, where = np.unique(numbers, return_inverse=True)
        masks = v8.mask_texts(self.data, self.begin[used], self.end[used])
        for at in np.flatnonzero(masks == np.uint64(0xFFFF_FFFF_FFFF_FFFF)).tolist():
            text = self.text(int(used[at])).encode()
            masks[at] = int.from_bytes(blake2b(text, digest_size=6).digest(), "big")
        return masks[where]


def read_tables(data: mmap.mmap, members: Members, progress: Progress | None = None) -> Raw:
    """All tables. Malformed where they contradict each other or the description."""
    view = np.frombuffer(data, dtype=np.uint8)
    meta = members.meta
    tell = progress or (lambda stage, done: None)
    tell("nodes", 0.0)
    fields, names = meta.node_fields, meta.edge_fields
    with ThreadPoolExecutor(2) as pool:
        edge_columns = pool.submit(_columns, view, members.span("edges"), len(names), meta.edges, "edges", {
            names.index("type"): (np.uint8, 1), names.index("name_or_index"): (np.int32, 1),
            names.index("to_node"): (np.int32, len(fields)),
        })  # fmt: skip
        node = pool.submit(_columns, view, members.span("nodes"), len(fields), meta.nodes, "nodes", {
            fields.index("type"): (np.uint8, 1), fields.index("name"): (np.int32, 1),
            fields.index("id"): (np.int64, 1), fields.index("self_size"): (np.int64, 1),
            fields.index("edge_count"): (np.int32, 1),
        }).result()  # fmt: skip
        texts = pool.submit(_texts, view, *members.span("strings"))
        first = np.zeros(meta.nodes + 1, dtype=np.int64)
        np.cumsum(node[fields.index("edge_count")], out=first[1:])
        if int(first[-1]) != meta.edges:
            raise Malformed(f"its nodes count {int(first[-1]):,} edges, its description {meta.edges:,}")
        tell("edges", 0.5)
        edge = edge_columns.result()
        tell("texts", 0.8)
    located, line = _locations(view, members, len(fields))
    edges = RawEdges(edge[names.index("type")], edge[names.index("name_or_index")], edge[names.index("to_node")])
    raw = Raw(
        node[fields.index("type")], node[fields.index("name")], node[fields.index("id")],
        node[fields.index("self_size")], first, edges, located, line, texts.result(),
    )  # fmt: skip
    _check(raw, edges, meta)
    return raw


def _texts(view: Bytes, start: int, stop: int) -> Texts:
    begin, end = v8.texts(view, start, stop, v8.matching_quotes(view, start, stop) // 2 + 1)
    if len(begin) and int(begin[-1]) < 0:
        raise Malformed(f"what stands at offset {-1 - int(begin[-1])} is no text")
    return Texts(view, begin, end)


def _columns(
    view: Bytes, span: tuple[int, int], width: int, rows: int, name: str, taken: dict[int, tuple[type[np.integer], int]]
) -> dict[int, npt.NDArray[Any]]:
    """Some columns of a table of numbers with ``width`` columns, by their place, each divided by what it counts in."""
    start, stop = span
    if rows * (2 * width) > stop - start + 1:
        raise Malformed(f"{stop - start:,} bytes of {name} cannot hold the {rows:,} rows that are promised")
    columns = {place: np.empty(rows, dtype=kind) for place, (kind, _) in taken.items()}
    room = np.empty(_CHUNK_ROWS * width, dtype=np.int64)
    at = row = 0
    position = start
    while True:
        count, position = v8.integers(view, position, stop, room)
        if position < 0:
            raise Malformed(f"what stands at offset {-1 - position} in {name} is no number")
        if count % width or row + count // width > rows:
            raise Malformed(f"{name} has not {rows:,} rows of {width} numbers")
        if not count:
            break
        at = row + count // width
        table = room[:count].reshape(-1, width)
        for place, column in columns.items():
            part = _divided(table[:, place], taken[place][1])
            if part.max() > np.iinfo(column.dtype).max:
                raise Malformed(f"a number of {name} is too large: {int(part.max()):,}")
            column[row:at] = part
        row = at
    if row != rows:
        raise Malformed(f"{name} has {row:,} rows where {rows:,} are promised")
    return columns


def _locations(view: Bytes, members: Members, node_width: int) -> tuple[Int32s, Int32s]:
    """Nodes with the line of their function, from 1; nothing where the file has no such table."""
    fields = members.meta.location_fields
    none = np.empty(0, dtype=np.int32)
    if "locations" not in members.spans or not {"object_index", "line"} <= set(fields):
        return none, none
    start, stop = members.spans["locations"]
    room = np.empty((stop - start) // 2 + 1, dtype=np.int64)
    count, position = v8.integers(view, start, stop, room)
    if position < 0 or count % len(fields):
        raise Malformed("its locations are no table of numbers")
    table = room[:count].reshape(-1, len(fields))
    node = _numbers_of(table[:, fields.index("object_index")], node_width, members.meta.nodes)
    line = (table[:, fields.index("line")] + 1).clip(max=_MOST_LINES).astype(np.int32)
    node, first = np.unique(node, return_index=True)
    return node, line[first]


def _numbers_of(offsets: Int64s, width: int, nodes: int) -> Int32s:
    """Node numbers from offsets into the flat table."""
    numbers = _divided(offsets, width)
    if len(numbers) and numbers.max() >= nodes:
        raise Malformed("a location leads to no node")
    return numbers.astype(np.int32)


def _divided(offsets: Int64s, by: int) -> Int64s:
    """Numbers from offsets into a flat table."""
    if by == 1:
        return offsets
    numbers = offsets // by
    if (numbers * by != offsets).any():
        raise Malformed("an edge or a location leads into the middle of a node")
    return numbers


def _check(raw: Raw, edges: RawEdges, meta: Meta) -> None:
    """Malformed where a number leads nowhere, or sizes are none of a heap; names of edges are not looked at yet."""
    for values, end, what in (
        (raw.node_type, len(meta.node_types), "a node's type"),
        (raw.node_name, len(raw.texts), "a node's name"),
        (edges.type, len(meta.edge_types), "an edge's type"),
        (edges.to, meta.nodes, "an edge's end"),
    ):
        if len(values) and int(values.max()) >= end:
            raise Malformed(f"{what} is number {int(values.max()):,} of {end:,}")
    if raw.node_size.sum(dtype=np.float64) >= _MOST_BYTES:
        raise Malformed("its nodes are larger than any heap")


def distinct(numbers: npt.NDArray[np.integer], end: int) -> tuple[Int64s, Int32s]:
    """``(used, where)``: the different ones of ``numbers``, all of 0..end - 1, ascending, and of each its place there.

    What ``np.unique`` says, without sorting.
    """
    seen = np.zeros(end, dtype=np.bool_)
    seen[numbers] = True
    used = np.flatnonzero(seen)
    place = np.empty(end, dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return used, place[numbers]
