"""Where a chain may begin, best first: names in the user's own code before everybody else's, C's unnamed hold last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from leakscope.analysis.index import HeapIndex
from leakscope.findings.model import ChainRoot
from leakscope.graph.facts import language
from leakscope.graph.heap import HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Origin, Root
from leakscope.graph.navigation import rows_of


class What(IntEnum):
    """What a chain begins with: a ``Root`` or one of these."""

    CLASS = 32
    SESSION = 33
    """Another of the objects that are asked about: a chain is cut where it would pass one."""
    UNKNOWN = 34


NAMED = (Root.MODULE, Root.FRAME, What.CLASS)
"""Holders that are names in code themselves; of all others the node is the first object that they hold."""

GARBAGE_TIER = 10
_CODE_TIER = {Origin.USER: 0, Origin.THIRD_PARTY: 2, Origin.STDLIB: 4, Origin.INTERPRETER: 6}
_FRAME_TIER = {Origin.USER: 1, Origin.THIRD_PARTY: 3, Origin.STDLIB: 5, Origin.INTERPRETER: 6}
_LAST_NAMED_TIER = 6
_THREAD_OF_JAVA_TIER = 3
"""Behind everybody's own names, before the JDK's: what a thread keeps in its ThreadLocals."""
_ROOT_TIER = {
    Root.BUILTINS: 6,
    Root.INTERPRETER: 6,
    Root.STATIC_TYPE: 6,
    Root.THREAD: 6,
    Root.C_GLOBAL: 7,
    Root.C_STACK: 8,
    Root.C_UNSEEN: 9,
    Root.GARBAGE: GARBAGE_TIER,
}


@dataclass(frozen=True)
class Holders:
    """One row per holder, in the order in which they are tried: by tier, then by name, so that runs agree."""

    node: Int32s
    tier: Int8s
    what: Int8s
    """``Root`` or ``What``."""
    row: Int32s
    """What tells it from others of its kind: of a class its row in ``types``, of a frame in ``frames``,
    of a root the index of its name; -1 none."""

    def of(self, nodes: Int32s) -> tuple[Int8s, Int32s]:
        """``what`` and ``row`` of the best holder of each node, all of which begin chains."""
        known, first = np.unique(self.node, return_index=True)
        place = rows_of(known.astype(np.int32), nodes)
        first = np.append(first, -1)[place]
        what = np.where(place >= 0, np.append(self.what, 0)[first], What.UNKNOWN)
        row = np.where(place >= 0, np.append(self.row, -1)[first], -1)
        return what.astype(np.uint8), row.astype(np.int32)


def find_holders(index: HeapIndex, asked: Int8s) -> Holders:
    """All holders of the heap. ``asked`` (mask by node): modules, classes and frames that are looked for
    themselves begin their own chain only if nothing else with a name holds them."""
    parts = [_roots(index.graph), _classes(index), _dead(index, asked)]
    node, tier, what, row = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    named = np.isin(what, NAMED)
    tier = np.where(named & (asked[node] != 0), np.maximum(tier, _LAST_NAMED_TIER), tier)
    order = np.lexsort((_name_rank(index.graph, what, row), what, ~named, tier))
    return Holders(node[order], tier[order].astype(np.uint8), what[order], row[order])


_Part = tuple[Int32s, Int8s, Int8s, Int32s]


def _tiers(tier_of: dict[Origin, int], origin: Int8s) -> Int8s:
    table = np.full(256, _LAST_NAMED_TIER, dtype=np.uint8)
    table[list(tier_of)] = list(tier_of.values())
    return table[origin]


def _roots(graph: HeapGraph) -> _Part:
    roots = graph.roots
    table = np.full(256, GARBAGE_TIER - 1, dtype=np.uint8)
    table[list(_ROOT_TIER)] = list(_ROOT_TIER.values())
    tier = table[roots.kind]
    if language(graph.facts) == "java":
        tier = np.where(roots.kind == Root.THREAD, _THREAD_OF_JAVA_TIER, tier)
    frames = rows_of(graph.frames.node, roots.node)
    is_frame = roots.kind == Root.FRAME
    by_origin = np.isin(roots.kind, (Root.MODULE, Root.NAMED))
    tier = np.where(by_origin, _tiers(_CODE_TIER, roots.origin), tier)
    # A thread runs it, but whose code it is only the frame itself says.
    origin = np.where(frames >= 0, np.append(graph.frames.origin, 0)[frames], roots.origin)
    tier = np.where(is_frame, _tiers(_FRAME_TIER, origin), tier)
    return roots.node, tier, roots.kind, np.where(is_frame, frames, roots.name).astype(np.int32)


def _classes(index: HeapIndex) -> _Part:
    """Live class objects. A class that only garbage holds is no name in anybody's code any more."""
    types = index.graph.types
    row = np.flatnonzero(types.node >= 0).astype(np.int32)
    row = row[index.live[types.node[row]] != 0]
    what = np.full(len(row), What.CLASS, dtype=np.uint8)
    return types.node[row], _tiers(_CODE_TIER, types.origin[row]), what, row


def _dead(index: HeapIndex, asked: Int8s) -> _Part:
    """Garbage that is asked about begins its own chain where no root says what to begin with."""
    node = np.flatnonzero((asked != 0) & (index.live == 0)).astype(np.int32)
    kind = np.full(len(node), Root.GARBAGE, dtype=np.uint8)
    return node, np.full(len(node), GARBAGE_TIER, dtype=np.uint8), kind, np.full(len(node), -1, dtype=np.int32)


def _name_rank(graph: HeapGraph, what: Int8s, row: Int32s) -> Int32s:
    """Sorts holders of one kind by what they are called: addresses would differ from run to run."""
    keys, inverse = np.unique(what.astype(np.int64) << 32 | (row + 1).astype(np.int64), return_inverse=True)
    called = [_sort_name(graph, int(key >> 32), int(key & 0xFFFFFFFF) - 1) for key in keys]
    rank = np.empty(len(keys), dtype=np.int32)
    rank[sorted(range(len(keys)), key=called.__getitem__)] = np.arange(len(keys))
    return rank[inverse].astype(np.int32)


def _sort_name(graph: HeapGraph, what: int, row: int) -> tuple[str, str, int]:
    root = describe_holder(graph, what, row)
    return root.name, root.file or "", root.line or 0


_KIND_TEXT: dict[int, str] = {
    Root.MODULE: "module",
    Root.BUILTINS: "builtins",
    Root.INTERPRETER: "interpreter",
    Root.STATIC_TYPE: "class",
    Root.THREAD: "thread",
    Root.FRAME: "frame",
    Root.C_GLOBAL: "c global",
    Root.C_STACK: "c stack",
    Root.C_UNSEEN: "c code",
    Root.GARBAGE: "garbage",
    Root.NAMED: "root",
    What.CLASS: "class",
    What.SESSION: "session",
    What.UNKNOWN: "unknown",
}


def describe_holder(graph: HeapGraph, what: int, row: int) -> ChainRoot:
    """The holder as a finding; ``what`` and ``row`` as in ``Holders``."""
    kind = _KIND_TEXT.get(what, "unknown")
    if what == Root.FRAME and row >= 0:
        frames = graph.frames
        line = int(frames.line[row])
        return ChainRoot(
            kind, graph.names[int(frames.function[row])], graph.names[int(frames.file[row])] or None, line or None
        )
    if what == Root.FRAME:
        return ChainRoot(kind, "?")
    if what in (What.CLASS, What.SESSION):
        return ChainRoot(kind, graph.types.name[row])
    return ChainRoot(kind, graph.names[row] if row >= 0 else "")


def holder_text(root: ChainRoot) -> str:
    """The beginning of a chain's one line."""
    if root.kind in ("module", "class", "root"):
        return root.name
    if root.kind == "frame":
        return f"frame {root.name}()" + place_text(root.file, root.line)
    words = {
        "session": f"another {root.name}",
        "c global": f"C global in {root.name}",
        "c stack": f"C stack of {root.name}",
        "c code": "C code that leakscope does not read",
    }
    return words.get(root.kind, f"{root.kind} {root.name}").strip()


def place_text(file: str | None, line: int | None) -> str:
    """`` at app.py:42``; nothing where it is not known."""
    if not file:
        return ""
    return f" at {file}:{line}" if line else f" at {file}"
