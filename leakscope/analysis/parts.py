"""One leak is one suspect: what grows only because something else grows is folded into that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from leakscope.analysis.growth import Growth
from leakscope.analysis.index import HeapIndex
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref
from leakscope.graph.navigation import references_of

_MOST = 60
"""Groups that are compared with each other; further ones keep less than any of these."""
_NO_HOLDERS = frozenset({"weakref", "weakref.ReferenceType", "weakref.KeyedRef"})
_SHARE = 0.5
"""Of one group's objects, referred to by another group's, that make the two one leak."""


@dataclass(frozen=True)
class Leak:
    """A group that stands for itself, and those that belong to it."""

    growth: Growth
    holders: tuple[Growth, ...]
    """Groups that belong to it and refer to its objects from another holder."""


def fold_parts(index: HeapIndex, groups: Sequence[Growth], part_of: Callable[[Growth], Sequence[str]]) -> list[Leak]:
    """Sessions before the user's other classes before the rest; of equals the one that retains more.

    ``part_of``: globs of the classes that a group's objects belong to by their rule: a whole goes before its parts.
    """
    classes = {group.class_ for group in groups}
    is_part = {
        id(group): any(fnmatchcase(name, glob) for glob in part_of(group) for name in classes) for group in groups
    }
    weight = {id(group): index.retained_lower_bound(group.heads) for group in groups}
    ranked = sorted(groups, key=lambda one: (one.rank, is_part[id(one)], -weight[id(one)], one.group))[:_MOST]
    touched = [_touched(index.graph, group) for group in ranked]
    held = [_touched(index.graph, group, weakly=False) for group in ranked]
    owner = list(range(len(ranked)))
    for i, group in enumerate(ranked):
        for j in range(i):
            # What refers to another only weakly may be a part of it, and never the other way round.
            if _one_container(ranked[j], group) or _refers(held[j], group) or _refers(touched[i], ranked[j]):
                owner[i] = owner[j]
                break
    return [
        Leak(
            group,
            tuple(ranked[j] for j in range(len(ranked)) if owner[j] == i != j and _also(touched[j], group, ranked[j])),
        )
        for i, group in enumerate(ranked)
        if owner[i] == i
    ]


def _touched(graph: HeapGraph, group: Growth, weakly: bool = True) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """What the group's objects refer to, ascending; not their classes."""
    _, position = references_of(graph, group.objects)
    left_out = (Ref.TYPE,) if weakly else (Ref.TYPE, Ref.WEAK)
    return np.unique(graph.target[position[~np.isin(graph.kind[position], left_out)]])


def _refers(touched: np.ndarray[tuple[int], np.dtype[np.int32]], group: Growth) -> bool:
    """Whether most of the group's heads, or of its named objects, are among ``touched``."""
    return any(
        float(np.mean(np.isin(nodes, touched, assume_unique=True))) >= _SHARE for nodes in (group.heads, group.nodes)
    )


def _one_container(one: Growth, other: Growth) -> bool:
    """Whether both are elements of the same containers."""
    if one.contents is None or other.contents is None:
        return False
    shared = np.intersect1d(one.contents.containers, other.contents.containers, assume_unique=True)
    return len(shared) * 2 > min(len(one.contents.containers), len(other.contents.containers))


def _also(touched: np.ndarray[tuple[int], np.dtype[np.int32]], owner: Growth, part: Growth) -> bool:
    """Whether ``part`` keeps the owner's objects elsewhere than the owner does."""
    share = float(np.mean(np.isin(owner.nodes, touched, assume_unique=True)))
    return share >= _SHARE and not _one_container(owner, part) and part.class_ not in _NO_HOLDERS
