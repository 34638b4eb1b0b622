"""The way from a holder to each of the objects that are asked about, and the fingerprint of that way.

One search over the heap serves all objects; what follows is done for arrays of
*entries*: the objects asked about and those on the ways to them, each after the
one that holds it. Some entries are folded, no step of their own: an instance's
``__dict__``, so that an attribute is the same step wherever the version of
Python keeps it; a closure's tuple and cells; the frame inside a generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from leakscope.analysis.holders import GARBAGE_TIER, NAMED, Holders, What, describe_holder, find_holders
from leakscope.analysis.index import STRONG, HeapIndex
from leakscope.graph.heap import HeapGraph, Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref, Root
from leakscope.graph.names import NAMED as NAMED_REFS
from leakscope.graph.names import named_edge_text
from leakscope.graph.navigation import references_of, rows_of
from leakscope.kernels.edges import Edges
from leakscope.kernels.paths import ancestors, signatures
from leakscope.kernels.traverse import Search

UInt64s = npt.NDArray[np.uint64]

_NONE = 255
"""Stands for the kind of no reference."""
_FOLDED_FIELDS = frozenset({"gi_frame", "cr_frame", "ag_frame", "__closure__"})
_WILDCARD: dict[int, str] = {
    _NONE: "held",
    Ref.KEY: "[*]",
    Ref.INDEX: "[*]",
    Ref.ITEM: "member",
    Ref.STACK: "stack slot",
    Ref.C_FIELD: "C field",
}
"""What of a step goes into the fingerprint where its label is data or depends on addresses or versions."""


@dataclass(frozen=True)
class Paths:
    """Entries; the first ``holders`` of them stand for what ways begin with and have no node (-1)."""

    holders: int
    what: Int8s
    """By holder: ``Root`` or ``What``."""
    row: Int32s
    """By holder: see ``Holders.row``."""
    node: Int32s
    edge: Int64s
    """By entry: the position of the reference by which it is held; -1 for what a holder holds without one."""
    up: Int32s
    """By entry: the entry one step nearer to the holder."""
    keeper: Int32s
    """By entry: the one whose way is the same but for repetitions; see ``kernels.paths.signatures``."""
    depth: Int32s
    signature: UInt64s
    via: Int32s
    """By entry: the folded entry that holds it and adds to its step's name, -1 for most."""
    asked: Int32s
    """The entries of the objects asked about, the shortest ways first."""


def fingerprint(signature: int) -> str:
    """12 hexadecimal digits."""
    return blake2b(signature.to_bytes(8, "little"), digest_size=6).hexdigest()


def find_paths(index: HeapIndex, nodes: Int32s) -> Paths:
    """The preferred way to each of ``nodes`` (repeats allowed): best holder first, then fewest steps."""
    graph = index.graph
    asked = np.zeros(graph.objects, dtype=np.uint8)
    asked[nodes] = 1
    holders = find_holders(index, asked)
    search = _search(index, holders, asked, np.flatnonzero(asked).astype(np.int32))
    node = ancestors(search.order[: search.count], search.parent, np.flatnonzero(asked).astype(np.int32))
    above, edge = search.parent[node], search.parent_edge[node]
    what, row, begins = _beginnings(graph, holders, node, above, asked)
    first = len(what)
    place = np.empty(graph.objects, dtype=np.int32)
    place[node] = np.arange(first, first + len(node))
    parent = np.where(begins >= 0, begins, place[above]).astype(np.int32)
    folded, via = _folds(graph, parent, edge, first, node, asked)
    is_name = np.isin(what, NAMED)
    begins_chain = (begins >= 0) & (edge < 0)
    folded |= (begins_chain & is_name[begins]).astype(np.uint8)
    step = _step_hashes(graph, node, np.where(_in_cell(graph, edge, via, first), edge[(via - first).clip(0)], edge))
    roots = np.array([_holder_hash(graph, w, r) for w, r in zip(what.tolist(), row.tolist(), strict=True)], np.uint64)
    none = np.full(first, -1, dtype=np.int32)
    signature, keeper, up, depth = signatures(
        np.concatenate([none, parent]),
        np.concatenate([roots, step]),
        np.concatenate([np.zeros(first, dtype=np.uint8), folded]),
    )
    found = np.flatnonzero(asked[node]).astype(np.int32) + first
    return Paths(
        holders=first,
        what=what,
        row=row,
        node=np.concatenate([none, node]),
        edge=np.concatenate([none.astype(np.int64), edge]),
        up=up,
        keeper=keeper,
        depth=depth,
        signature=signature,
        via=np.concatenate([none, via]),
        asked=found[np.argsort(depth[found], kind="stable")],
    )


def preferred_ways(index: HeapIndex, members: Int32s) -> Search:
    """The search behind ``find_paths`` with nothing in its way, until all ``members`` are found: a tree of holders."""
    asked = np.zeros(index.graph.objects, dtype=np.uint8)
    return _search(index, find_holders(index, asked), asked, members)


def _search(index: HeapIndex, holders: Holders, asked: Int8s, members: Int32s) -> Search:
    """Tier by tier until all ``members`` are found; ways through objects that are asked about come after all others.

    An instance is no way to its class. Modules, classes and running frames are never passed: they
    begin chains of their own, and so does a module's namespace, which every function of the module
    refers to.
    """
    graph = index.graph
    search = Search(Edges(graph.first_ref, graph.target, graph.kind, STRONG - {Ref.TYPE}), Ref.DICT)
    own = np.isin(holders.what, NAMED) & (asked[holders.node] == 0)
    search.reserve(holders.node[own])
    spaces = _namespaces(graph, holders)
    search.reserve(spaces.dict, spaces.module, spaces.position)
    for tier in range(GARBAGE_TIER + 1):
        if tier == GARBAGE_TIER:
            _pass_through(search, asked, spaces)
        seeds = holders.node[holders.tier == tier]
        seeds = seeds[search.state[seeds] & 1 == 0]
        seeds = seeds[np.sort(np.unique(seeds, return_index=True)[1])]
        row = np.where(asked[seeds] == 0, rows_of(spaces.module, seeds), -1)
        search.spread(np.insert(seeds, np.flatnonzero(row >= 0) + 1, spaces.dict[row[row >= 0]]), asked)
        if np.all(search.state[members] & 1):
            return search
    _pass_through(search, asked, spaces)
    search.spread(members[search.state[members] & 1 == 0], asked)
    return search


def _pass_through(search: Search, asked: Int8s, spaces: _Namespaces) -> None:
    """Goes on behind the objects that are asked about."""
    reached = search.order[: search.count]
    behind = spaces.dict[(asked[spaces.module] != 0) & (search.state[spaces.module] & 1 != 0)]
    search.spread(np.concatenate([reached[asked[reached] != 0], behind]), np.zeros_like(asked))


@dataclass(frozen=True)
class _Namespaces:
    """The dicts of the modules that begin chains: parallel arrays, ascending by module."""

    module: Int32s
    position: Int64s
    dict: Int32s


def _namespaces(graph: HeapGraph, holders: Holders) -> _Namespaces:
    module, position = references_of(graph, np.unique(holders.node[holders.what == Root.MODULE]))
    is_dict = graph.kind[position] == Ref.DICT
    module, position = module[is_dict], position[is_dict]
    return _Namespaces(module, position, graph.target[position])


def _beginnings(
    graph: HeapGraph, holders: Holders, node: Int32s, above: Int32s, asked: Int8s
) -> tuple[Int8s, Int32s, Int32s]:
    """``(what, row, begins)``: the holders in use and, by entry, which of them it is or is held by, -1 for none."""
    starts = above < 0
    cut = ~starts
    cut[cut] = asked[above[cut]] != 0
    what = np.zeros(len(node), dtype=np.uint8)
    row = np.full(len(node), -1, dtype=np.int32)
    what[starts], row[starts] = holders.of(node[starts])
    what[cut], row[cut] = What.SESSION, graph.type[above[cut]]
    begins = np.full(len(node), -1, dtype=np.int32)
    either = starts | cut
    keys = what[either].astype(np.int64) << 32 | (row[either] + 1).astype(np.int64)
    used, begins[either] = np.unique(keys, return_inverse=True)
    return (used >> 32).astype(np.uint8), ((used & 0xFFFFFFFF) - 1).astype(np.int32), begins


def _folds(
    graph: HeapGraph, parent: Int32s, edge: Int64s, first: int, node: Int32s, asked: Int8s
) -> tuple[Int8s, Int32s]:
    """``(folded, via)`` by entry: whether it is no step of its own; the folded entry that holds it, -1 for most."""
    kind, label = _at(graph.kind, edge), _at(graph.label, edge)
    is_cell = (kind == Ref.CELL) & np.isin(graph.type[node], _type_rows(graph, "cell"))
    is_field = np.isin(kind, (Ref.INTERNAL, Ref.ATTR)) & (label >= 0)
    # Of all names, of which keys may have millions, only those that are fields here.
    fields = [number for number in np.unique(label[is_field]).tolist() if graph.names[number] in _FOLDED_FIELDS]
    is_field &= np.isin(label, fields)
    folded = (kind == Ref.DICT) | is_field | is_cell
    folded &= asked[node] == 0
    held_by_folded = (parent >= first) & folded[(parent - first).clip(0)]
    return folded.astype(np.uint8), np.where(held_by_folded, parent, -1).astype(np.int32)


def _in_cell(graph: HeapGraph, edge: Int64s, via: Int32s, first: int) -> npt.NDArray[np.bool_]:
    """Whether what holds the entry is a folded cell: it is called as the variable is."""
    is_cell: npt.NDArray[np.bool_] = _at(graph.kind, edge)[(via - first).clip(0)] == Ref.CELL
    return is_cell & (via >= 0)


def _type_rows(graph: HeapGraph, name: str) -> list[int]:
    return [row for row, full in enumerate(graph.types.name) if full == name]


def _step_hashes(graph: HeapGraph, node: Int32s, named_by: Int64s) -> UInt64s:
    """Hash of each step: its edge without data, its class, and for code the function's name.

    ``named_by`` is the position of the reference that gives the step its name, -1 where there is none.
    """
    kind = _at(graph.kind, named_by)
    label = np.where(np.isin(kind, NAMED_REFS), _at(graph.label, named_by), -1)
    texts, which = np.unique(kind.astype(np.int64) << 32 | (label + 1).astype(np.int64), return_inverse=True)
    edges = np.array([_edge_hash(graph, int(key >> 32), int(key & 0xFFFFFFFF) - 1) for key in texts], np.uint64)[which]
    frame = rows_of(graph.frames.node, node)
    function = np.where(frame >= 0, np.append(graph.frames.function, -1)[frame], -1)
    classes, which = np.unique(
        graph.type[node].astype(np.int64) << 32 | (function + 1).astype(np.int64), return_inverse=True
    )
    hashes = [_class_hash(graph, int(key >> 32), int(key & 0xFFFFFFFF) - 1) for key in classes]
    return edges * np.uint64(0x9E3779B97F4A7C15) + np.array(hashes, np.uint64)[which]


def _at(column: npt.NDArray[np.integer], position: Int64s) -> npt.NDArray[np.int32]:
    """The column at each position, ``_NONE`` where that is -1."""
    found = np.full(len(position), _NONE, dtype=np.int32)
    found[position >= 0] = column[position[position >= 0]]
    return found


def _edge_hash(graph: HeapGraph, kind: int, label: int) -> int:
    if label >= 0:
        return _hash(named_edge_text(kind, graph.names[label]))
    return _hash(_WILDCARD.get(kind, str(kind)))


def _class_hash(graph: HeapGraph, type_row: int, function: int) -> int:
    name = graph.types.name[type_row]
    return _hash(f"{name} {_plain(graph.names[function])}" if function >= 0 else name)


def _holder_hash(graph: HeapGraph, what: int, row: int) -> int:
    """Names that change from run to run or build to build are left out: thread names, lines, folders, versions."""
    root = describe_holder(graph, what, row)
    if what == Root.FRAME:
        return _hash(f"frame {_plain(root.name)} {(root.file or '').rpartition('/')[2]}")
    if what in (Root.THREAD, Root.C_STACK):
        return _hash(root.kind)
    if what == Root.C_GLOBAL:
        library, _, symbol = root.name.partition(" ")
        return _hash(f"{root.kind} {library.partition('.')[0].rstrip('-0123456789')} {symbol}")
    return _hash(f"{root.kind} {root.name}")


def _plain(function: str) -> str:
    """Without the classes and functions around it, which 3.10 does not record."""
    return function.rpartition(".")[2]


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
