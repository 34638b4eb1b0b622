"""What grows from snapshot to snapshot and never shrinks: the classes to name, with the containers that keep them.

A leak keeps what is born in each step. Turnover of constant length, a bounded cache
on its way to its bound, what is loaded once, and load that comes and goes are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from leakscope.analysis.containers import (
    ELEMENTS,
    VALUES,
    Contents,
    bounded,
    contents,
    innermost_container,
    lengths_by_name,
    since_members,
)
from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Bools, Rank, class_ranks, healthy_mask
from leakscope.analysis.ownership import Owned, Ways, births, hang_by_chance, owned_objects
from leakscope.analysis.sessions import session_nodes
from leakscope.graph.facts import ids_for_life
from leakscope.graph.heap import Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED

LEAST_PER_STEP = 3
LEAST_OF_TWO = 50
"""New objects that make growth between only two snapshots worth a word."""
KEPT = 0.9
"""Of what was born in a step at least this share is there at the end."""
_PUT_THERE = 0.9
"""Of a group's objects; fewer are no reason to leave the others out."""
_SLOWEST = 0.3
"""A leak's smallest step is at least this share of its largest."""
_LATE = 0.5
"""Its last step is at least this share of its first: what fills up slows down."""
_NUMBERS = frozenset({"int", "float", "complex", "bool"})
_MANY_NUMBERS = 1000
"""Numbers cost little and fill every window of measurements: fewer are no suspect."""
_FEW = 10
_SLIGHT = 0.25
_STEPS_TO_TRUST = 3
"""Fewer than ``_FEW`` for each step, and that on top of many: the tail of a cache that fills looks like that, for
some steps. Sessions are no cache's business."""
_EVEN = 0.7
"""Of the largest step: the least that a step has where two are all there is to go by, or no class of its own."""
_SPREAD = 5
_DEEP = 3
"""Where so many containers or more have taken up fewer than so many each, that may be small caches that fill."""
_NET = 0.75
"""Containers grow by at least this share of what they took up and kept: if not, old entries make way for new ones."""
_NET_OF_CLASS = 0.5
"""The same for all objects of the class, of which others come and go."""


@dataclass(frozen=True)
class Growth:
    """One group of objects of one class, held in the same way, that grew in every step."""

    group: int
    class_: str
    rank: Rank
    nodes: Int32s
    """The objects that are named: born since the first snapshot, alive at the end; ascending."""
    per_step: tuple[int, ...]
    """How many of them each step brought."""
    of_class: tuple[int, ...]
    """How many more live objects of the class there were after each step, wherever they are held."""
    contents: Contents | None
    """Of the containers that take them up; None if no container does (a chain of objects)."""
    objects: Int32s
    """All that belongs to them, themselves included."""
    heads: Int32s
    """What the long-lived holder holds."""

    @property
    def certain(self) -> bool:
        """False for what may as well fill up: numbers, few additions to many containers or to a long one.

        The less a class says, the more even its steps must be.
        """
        if self.class_ in _NUMBERS and len(self.nodes) < _MANY_NUMBERS:
            return False
        if self.rank == Rank.SESSION:
            return True
        if not self._even:
            return False
        if self.contents is None:
            return True
        spread = len(self.contents.containers)
        if spread >= _SPREAD and sum(self.per_step) < _DEEP * spread:
            return False
        slow = max(self.per_step) < _FEW and max(self.per_step) < _SLIGHT * self.contents.lengths[0]
        return not slow or len(self.per_step) >= _STEPS_TO_TRUST

    @property
    def _even(self) -> bool:
        """Whether the steps are as even as a leak's are that has no better name."""
        long = len(self.per_step) >= _STEPS_TO_TRUST
        # Where several containers take them up, old and new ones, only all together show how even it is.
        several = self.contents is not None and len(self.contents.containers) > 1
        steady = self.steady or (several and _equal(self.of_class))
        even = steady or min(self.per_step) >= _EVEN * max(self.per_step)
        if self.rank == Rank.PART:
            return even and (long or (self.steady and min(self.per_step) >= _FEW))
        return long or even

    @property
    def steady(self) -> bool:
        """Whether all steps are nearly equal: the trace of one object for each unit of work."""
        return _equal(self.per_step)


def find_growth(series: Series, index: HeapIndex, ways: Ways, least: int) -> list[Growth]:
    """All groups that grow as a leak does, by ``least`` objects in each step; parts are not folded yet.

    Between only two snapshots it takes ``LEAST_OF_TWO``.
    """
    if not ids_for_life(series.last.facts):
        parts = class_ranks(series.last)[series.last.type] >= Rank.CARRIER
        series = replace(series, known_births=births(ways, since_members(series, ways, parts), parts))
    owned = owned_objects(index, ways, series.born)
    least = least if series.steps > 1 else max(least, LEAST_OF_TWO)
    found, settled = [], np.zeros(series.last.objects, dtype=np.bool_)
    for growth, kinds in _named_groups(series, index, ways, owned, least):
        if not _may_leak(series, growth):
            continue
        containers, elements = _containers(series, ways, growth)
        checked = _checked(series, ways, growth, containers, elements, kinds)
        if checked is not None:
            found.append(checked)
        else:
            settled[containers] = True
    # What is sound as a container of values is sound as one of keys.
    return [each for each in found if each.contents is None or not np.all(settled[each.contents.containers])]


def _named_groups(
    series: Series, index: HeapIndex, ways: Ways, owned: Owned, least: int
) -> list[tuple[Growth, tuple[int, ...]]]:
    """For each group with a class that grows in every step: the class that names it best."""
    graph, steps = series.last, series.steps
    step = series.born[owned.node].astype(np.int64) - 1
    enough = _every_step(owned.group, step, owned.groups, steps, least)
    kept = np.flatnonzero(enough[owned.group])
    if not len(kept):
        return []
    classes = series.class_numbers(steps)[owned.node].astype(np.int64)
    keys, pair = np.unique(owned.group[kept] * np.int64(len(series.class_names)) + classes[kept], return_inverse=True)
    grows = _every_step(pair, step[kept], len(keys), steps, least)
    depth = kept[np.unique(pair, return_index=True)[1]]
    rank = _ranks_of_pairs(series, owned.node[kept], pair, len(keys))
    groups = []
    number = (keys // len(series.class_names)).astype(np.int64)
    order = np.lexsort((depth, rank, ~grows, number))
    best = order[np.unique(number[order], return_index=True)[1]]
    by_pair = np.argsort(pair, kind="stable")
    pair_start = np.searchsorted(pair[by_pair], np.arange(len(keys) + 1))
    by_group = np.argsort(owned.group, kind="stable")
    group_start = np.searchsorted(owned.group[by_group], np.arange(owned.groups + 1))
    for row in best[grows[best]].tolist():
        entries = _outermost(owned, kept[by_pair[pair_start[row] : pair_start[row + 1]]], int(rank[row]))
        entries = _put_there(index, ways, owned, entries)
        group = int(number[row])
        name = series.class_names[int(keys[row] % len(series.class_names))]
        mine = by_group[group_start[group] : group_start[group + 1]]
        heads = np.unique(owned.head[entries])
        growth = Growth(
            group=group,
            class_=name,
            rank=Rank(int(rank[row])),
            nodes=np.sort(owned.node[entries]),
            per_step=tuple(np.bincount(step[entries], minlength=steps).tolist()),
            of_class=_steps(_totals(series, name)),
            contents=None,
            objects=np.sort(owned.node[mine]),
            heads=heads.astype(np.int32),
        )
        if min(growth.per_step) >= least:
            groups.append((growth, _element_kinds(graph.kind, ways, heads)))
    return groups


def _outermost(owned: Owned, entries: Int64s, rank: int) -> Int64s:
    """Of parts, dicts in dicts say, only those that are put into the container; of all else every one."""
    heads = entries[owned.head[entries] == owned.node[entries]]
    return heads if rank == Rank.PART and len(heads) else entries


def _put_there(index: HeapIndex, ways: Ways, owned: Owned, entries: Int64s) -> Int64s:
    """Without the few that merely hang behind others; where many do, as in a list whose ends are held, they count."""
    order = np.argsort(owned.node[entries])
    kept = entries[order][~hang_by_chance(index, ways, owned.node[entries][order])]
    return kept if len(kept) >= _PUT_THERE * len(entries) else entries


def _every_step(number: Int32s | Int64s, step: Int64s, numbers: int, steps: int, least: int) -> Bools:
    """By number: whether each step brought at least ``least`` and none far less than another."""
    counts = np.bincount(number.astype(np.int64) * steps + step, minlength=numbers * steps).reshape(numbers, steps)
    enough: Bools = counts.min(axis=1) >= least
    return enough


def _ranks_of_pairs(series: Series, nodes: Int32s, pair: Int64s, pairs: int) -> Int64s:
    """``Rank`` of each pair of group and class: sessions are told by the object, all else by the class."""
    graph = series.last
    by_type = class_ranks(graph)[graph.type[nodes]].astype(np.int64)
    is_session = np.isin(nodes, session_nodes(graph))
    own = by_type == Rank.OWN
    rank = np.where(is_session, np.where(own, int(Rank.SESSION), int(Rank.OWN)), by_type)
    best = np.full(pairs, int(Rank.PART), dtype=np.int64)
    np.minimum.at(best, pair, rank)
    return best


def _element_kinds(kind: np.ndarray[tuple[int], np.dtype[np.uint8]], ways: Ways, heads: Int32s) -> tuple[int, ...]:
    """Keys are what a container has where it is keys that it keeps."""
    edges = ways.edge[heads]
    edges = edges[edges >= 0]
    return (Ref.DICT_KEY,) if len(edges) and np.mean(kind[edges] == Ref.DICT_KEY) > 0.5 else VALUES


def _may_leak(series: Series, growth: Growth) -> bool:
    """Whether the objects by themselves look like a leak, wherever they are kept."""
    slows = max(growth.per_step) * _SLOWEST > min(growth.per_step)
    slows |= growth.per_step[-1] < _LATE * growth.per_step[0]
    if slows and not _equal(growth.of_class):
        return False
    if np.mean(healthy_mask(series.last)[growth.nodes]) > 0.5:
        return False
    return growth.rank == Rank.PART or _grows(_totals(series, growth.class_), growth.per_step, _NET_OF_CLASS)


def _checked(
    series: Series, ways: Ways, growth: Growth, containers: Int32s, elements: Int32s, kinds: tuple[int, ...]
) -> Growth | None:
    """``growth`` with its containers and what they take up, or None if these do not grow as a leak's do."""
    if bounded(series.last, ways, containers):
        return None
    if not len(containers):
        return None if growth.rank == Rank.PART or _replaced(series, ways, growth) else growth
    added = _added(series, elements)
    found = contents(series, ways, containers, kinds, np.unique(series.class_numbers(series.steps)[elements]))
    lengths = found.lengths
    if not _grows(lengths, added):
        replaced = lengths_by_name(series, ways, int(containers[0])) if len(containers) == 1 else None
        if replaced is None or not _grows(replaced, added):
            return None
        found = Contents(containers, replaced, (), ())
    if any(stayed < KEPT * born for born, stayed in zip(found.born, found.stayed, strict=True)):
        return None
    return Growth(**{**growth.__dict__, "contents": found})


def _replaced(series: Series, ways: Ways, growth: Growth) -> bool:
    """Whether old objects merely got a new value for an attribute each: no attribute can hold more than one."""
    holder, edge = ways.parent[growth.heads], ways.edge[growth.heads]
    old = (holder >= 0) & (series.born[holder.clip(0)] == 0)
    old &= (edge >= 0) & np.isin(series.last.kind[edge.clip(0)], NAMED)
    return int(np.count_nonzero(old)) * 2 > len(growth.nodes)


def _containers(series: Series, ways: Ways, growth: Growth) -> tuple[Int32s, Int32s]:
    """The containers that take something up for each step, and what they take up.

    Those next to the named objects if these were put into containers that were there before them;
    else those that hold the heads.
    """
    graph = series.last
    inner, element = innermost_container(graph, ways, growth.nodes)
    there = inner >= 0
    older = series.born[inner[there]] < series.born[element[there]]
    if np.count_nonzero(older) * 2 > len(growth.nodes):
        return np.unique(inner[there][older]), np.unique(element[there][older])
    edges = ways.edge[growth.heads]
    is_element = (edges >= 0) & np.isin(graph.kind[edges.clip(0)], ELEMENTS)
    heads = growth.heads[is_element]
    if len(heads):
        return np.unique(ways.parent[heads]), heads
    # What hangs in a chain of objects below an old element was not put into that element's container.
    replaced = inner[there & (series.born[element.clip(0)] > 0)]
    return np.unique(replaced) if len(np.unique(replaced)) == 1 else np.empty(0, np.int32), growth.nodes


def _added(series: Series, nodes: Int32s) -> tuple[int, ...]:
    """How many of ``nodes`` each step brought."""
    return tuple(np.bincount(series.born[nodes], minlength=series.steps + 1)[1:].tolist())


def _totals(series: Series, class_: str) -> tuple[int, ...]:
    return tuple(series.totals[:, series.class_names.index(class_)].tolist())


def _grows(lengths: tuple[int, ...], added: tuple[int, ...], net: float = _NET) -> bool:
    """Whether each step makes it longer by a good part of what the step added, and by one at least."""
    return all(step >= max(1, net * new) for step, new in zip(_steps(lengths), added, strict=True))


def _steps(counts: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(after - before for before, after in pairwise(counts))


def _equal(steps: tuple[int, ...]) -> bool:
    return len(steps) > 1 and max(steps) - min(steps) <= max(1, round(0.05 * max(steps)))
