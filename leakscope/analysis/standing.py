"""Leaks that stand in one snapshot: caches of methods, tasks that nobody can wake, tracebacks that keep sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.analysis.containers import bounded, innermost_container
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Bools, Rank, class_ranks
from leakscope.analysis.ownership import Ways
from leakscope.analysis.select import named, with_subclasses
from leakscope.analysis.sessions import session_nodes
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.navigation import references_of, rows_of

LEAST_CACHED = 20
"""Objects among the arguments that one unbounded cache keeps."""
LEAST_ASLEEP = 5
"""Tasks of one coroutine function that nothing can wake."""
LEAST_IN_TRACEBACKS = 10
_FARTHEST = 64


@dataclass(frozen=True)
class Standing:
    """Objects of one class, and the sentence that says why they stay."""

    nodes: Int32s
    rank: Rank
    line: str


def find_standing(index: HeapIndex, ways: Ways) -> list[Standing]:
    """All of them; growth is not asked for."""
    return [*_cached_arguments(index, ways), *_asleep(index), *_in_tracebacks(index, ways)]


def _ranks(graph: HeapGraph) -> npt.NDArray[np.uint8]:
    """``Rank`` by node."""
    ranks = class_ranks(graph)[graph.type]
    sessions = session_nodes(graph)
    ranks[sessions] = np.where(ranks[sessions] == Rank.OWN, Rank.SESSION, Rank.OWN)
    return ranks


def _cached_arguments(index: HeapIndex, ways: Ways) -> Iterator[Standing]:
    """Instances in the keys of ``lru_cache`` wrappers without a limit: mostly the ``self`` of a method."""
    graph = index.graph
    if graph.bounds is None:
        return
    wrappers = np.flatnonzero(named(graph, "functools._lru_cache_wrapper")[graph.type]).astype(np.int32)
    wrappers = wrappers[rows_of(graph.bounds.node, wrappers) < 0]
    ranks = _ranks(graph)
    for wrapper in wrappers.tolist():
        _, position = references_of(graph, np.array([wrapper]))
        caches = graph.target[position[graph.kind[position] == Ref.INTERNAL]]
        _, entry = references_of(graph, caches)
        keys = graph.target[entry[graph.kind[entry] == Ref.DICT_KEY]]
        if len(keys) < LEAST_CACHED:
            continue
        _, inside = references_of(graph, keys)
        found = np.unique(np.concatenate([keys, graph.target[inside[graph.kind[inside] == Ref.INDEX]]]))
        found = found[(ranks[found] <= Rank.OWN) & (index.live[found] != 0)]
        best = _largest_class(graph, found)
        if len(best) >= LEAST_CACHED:
            line = f"{len(best):,} of them are arguments that an lru_cache without maxsize keeps"
            yield Standing(best, Rank(int(ranks[best].min())), line)


def _asleep(index: HeapIndex) -> Iterator[Standing]:
    """Pending tasks whose awaited future nothing but the task itself leads to, by what they would call next."""
    graph = index.graph
    tasks = np.flatnonzero(_is_task(graph) & (index.live[: graph.objects] != 0)).astype(np.int32)
    holder, position = references_of(graph, tasks)
    waits = np.flatnonzero(_named_reference(graph, position, ("fut_waiter", "_fut_waiter", "task_fut_waiter")))
    task, future = holder[waits], graph.target[position[waits]]
    inside = (index.enter[future] >= index.enter[task]) & (index.enter[future] < index.enter[task] + index.size[task])
    asleep = task[inside & (index.live[future] != 0)]
    where = _function_of(graph, asleep)
    for function in np.unique(where[where >= 0]).tolist():
        mine = asleep[where == function]
        if len(mine) >= LEAST_ASLEEP:
            line = f"{len(mine):,} tasks in {graph.names[function]}() wait for what nothing but themselves refers to"
            yield Standing(*_inside(index, mine), line)


def _is_task(graph: HeapGraph) -> Bools:
    tasks: Bools = with_subclasses(graph, named(graph, "_asyncio.Task", "asyncio.tasks.Task", "_asyncio.tasks.Task"))
    of_nodes: Bools = tasks[graph.type]
    return of_nodes


def _named_reference(graph: HeapGraph, position: npt.NDArray[np.int64], names: tuple[str, ...]) -> Bools:
    """By position: whether it is a field or attribute called one of ``names``."""
    numbers = [number for number, name in enumerate(graph.names) if name in names]
    fits: Bools = np.isin(graph.kind[position], (Ref.INTERNAL, Ref.ATTR)) & np.isin(graph.label[position], numbers)
    return fits


def _function_of(graph: HeapGraph, tasks: Int32s) -> Int32s:
    """By task: the name of its coroutine's function, as an index into ``names``; -1 unknown."""
    found = np.full(len(tasks), -1, dtype=np.int32)
    for at, task in enumerate(tasks.tolist()):
        targets = graph.target[int(graph.first_ref[task]) : int(graph.first_ref[task + 1])]
        rows = rows_of(graph.frames.node, targets)
        if (rows >= 0).any():
            found[at] = graph.frames.function[rows[rows >= 0][0]]
    return found


def _inside(index: HeapIndex, tasks: Int32s) -> tuple[Int32s, Rank]:
    """What the tasks alone keep of the best class, if nearly each keeps one; else the tasks themselves."""
    graph = index.graph
    spans = [index.by_enter[index.enter[task] : index.enter[task] + index.size[task]] for task in tasks]
    kept = np.unique(np.concatenate(spans))
    ranks = _ranks(graph)[kept]
    for rank in (Rank.SESSION, Rank.OWN):
        best = _largest_class(graph, kept[ranks == rank])
        if len(best) * 10 >= len(tasks) * 9:
            return best, rank
    return tasks, Rank.CARRIER


def _in_tracebacks(index: HeapIndex, ways: Ways) -> Iterator[Standing]:
    """Sessions that a stored exception's traceback keeps by its frames, in a container without a limit."""
    graph = index.graph
    traceback = named(graph, "traceback")[graph.type]
    sessions = session_nodes(graph)
    current, through = sessions.copy(), np.zeros(len(sessions), dtype=np.bool_)
    for _ in range(_FARTHEST):
        through |= (current >= 0) & traceback[current.clip(0)]
        if np.all(current < 0):
            break
        current = np.where(current >= 0, ways.parent[current.clip(0)], -1)
    best = _largest_class(graph, sessions[through])
    if len(best) < LEAST_IN_TRACEBACKS:
        return
    container, _ = innermost_container(graph, ways, best)
    if (container >= 0).all() and not bounded(graph, ways, np.unique(container)):
        line = f"{len(best):,} of them are kept by the traceback of an exception that is stored"
        yield Standing(best, Rank(int(_ranks(graph)[best].min())), line)


def _largest_class(graph: HeapGraph, nodes: Int32s) -> Int32s:
    """Those of the class that most of ``nodes`` are of."""
    if not len(nodes):
        return nodes
    types, count = np.unique(graph.type[nodes], return_counts=True)
    most: Int32s = nodes[graph.type[nodes] == types[np.argmax(count)]]
    return most
