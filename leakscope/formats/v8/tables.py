"""The tables of a snapshot as columns, and its texts, which are decoded one by one when they are asked for."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.members import Malformed, Members
from leakscope.graph.heap import Addresses, Int8s, Int32s, Int64s
from leakscope.kernels import v8

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[str, float], None]
_CHUNK_ROWS = 1 << 16
_INT32_END = 1 << 31


@dataclass(frozen=True)
class Raw:
    """The tables as they are in the file."""

    node_type: Int8s
    node_name: Int32s
    """In ``texts``; so are the names of edges, except those of positions."""
    node_id: Int64s
    node_size: Int64s
    first_edge: Int64s
    """Length nodes + 1."""
    edge_type: Int8s
    edge_name: Int32s
    edge_to: Int32s
    """Node number."""
    located: Int32s
    """Node numbers with a line."""
    line: Int32s
    texts: Texts


@dataclass(frozen=True)
class Texts:
    """The table of texts, by number."""

    data: Bytes
    begin: Int64s
    end: Int64s

    def __len__(self) -> int:
        return len(self.begin)

    def text(self, number: int) -> str:
        """One text; lone surrogates are replaced."""
        raw = self.data[int(self.begin[number]) : int(self.end[number])].tobytes()
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

        masks = v8.mask_texts(self.data, self.begin[numbers], self.end[numbers])
        for at in np.flatnonzero(masks == np.uint64(0xFFFF_FFFF_FFFF_FFFF)).tolist():
            text = self.text(int(numbers[at])).encode()
            masks[at] = int.from_bytes(blake2b(text, digest_size=6).digest(), "big")
        return masks


def read_tables(data: mmap.mmap, members: Members, progress: Progress | None = None) -> Raw:
    """All tables. Malformed where they contradict each other or the description."""
    view = np.frombuffer(data, dtype=np.uint8)
    meta = members.meta
    tell = progress or (lambda stage, done: None)
    tell("nodes", 0.0)
    fields = meta.node_fields
    node = _columns(view, members.span("nodes"), len(fields), meta.nodes, "nodes", {
        fields.index("type"): np.uint8, fields.index("name"): np.int32, fields.index("id"): np.int64,
        fields.index("self_size"): np.int64, fields.index("edge_count"): np.int32,
    })  # fmt: skip
    counts = node[fields.index("edge_count")]
    first = np.zeros(meta.nodes + 1, dtype=np.int64)
    np.cumsum(counts, out=first[1:])
    if int(first[-1]) != meta.edges:
        raise Malformed(f"its nodes count {int(first[-1]):,} edges, its description {meta.edges:,}")
    tell("edges", 0.3)
    names = meta.edge_fields
    edge = _columns(view, members.span("edges"), len(names), meta.edges, "edges", {
        names.index("type"): np.uint8, names.index("name_or_index"): np.int32, names.index("to_node"): np.int64,
    })  # fmt: skip
    tell("texts", 0.8)
    start, stop = members.span("strings")
    begin, end = v8.texts(view, start, stop, v8.matching_quotes(view, start, stop) // 2 + 1)
    if len(begin) and int(begin[-1]) < 0:
        raise Malformed(f"what stands at offset {-1 - int(begin[-1])} is no text")
    located, line = _locations(view, members, len(fields))
    raw = Raw(
        node[fields.index("type")], node[fields.index("name")], node[fields.index("id")],
        node[fields.index("self_size")], first, edge[names.index("type")], edge[names.index("name_or_index")],
        _numbers_of(edge[names.index("to_node")], len(fields), meta.nodes), located, line, Texts(view, begin, end),
    )  # fmt: skip
    _check(raw, members)
    return raw


def _columns(
    view: Bytes, span: tuple[int, int], width: int, rows: int, name: str, taken: dict[int, type[np.integer]]
) -> dict[int, npt.NDArray[Any]]:
    """Some columns of a table of numbers with ``width`` columns, by their place."""
    start, stop = span
    if rows * (2 * width) > stop - start + 1:
        raise Malformed(f"{stop - start:,} bytes of {name} cannot hold the {rows:,} rows that are promised")
    columns = {place: np.empty(rows, dtype=kind) for place, kind in taken.items()}
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
            part = table[:, place]
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
    line = np.minimum(table[:, fields.index("line")] + 1, _INT32_END - 1).astype(np.int32)
    node, first = np.unique(node, return_index=True)
    return node, line[first]


def _numbers_of(offsets: npt.NDArray[np.integer], width: int, nodes: int) -> Int32s:
    """Node numbers from offsets into the flat table."""
    numbers, rest = np.divmod(offsets, width)
    if len(numbers) and (rest.any() or numbers.max() >= nodes):
        raise Malformed("an edge or a location leads to no node")
    result: Int32s = numbers.astype(np.int32)
    return result


def _check(raw: Raw, members: Members) -> None:
    meta = members.meta
    in_text = ~np.isin(raw.edge_type, _by_position(meta.edge_types))
    for values, end, what in (
        (raw.node_type, len(meta.node_types), "a node's type"),
        (raw.node_name, len(raw.texts), "a node's name"),
        (raw.edge_type, len(meta.edge_types), "an edge's type"),
        (raw.edge_name[in_text], len(raw.texts), "an edge's name"),
    ):
        if len(values) and int(values.max()) >= end:
            raise Malformed(f"{what} is number {int(values.max()):,} of {end:,}")


def _by_position(edge_types: Sequence[str]) -> list[int]:
    """Types of edges whose name is a number: ``element`` and ``hidden``."""
    return [number for number, name in enumerate(edge_types) if name in ("element", "hidden")]
