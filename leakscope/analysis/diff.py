"""What changed between snapshots: classes, sessions, ways of being held, containers.

Within one process an object is the same if address, class and, of a session, id and creation
are; across restarts, pods and releases only classes and fingerprints are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from leakscope.analysis.digest import Digest, SessionRows, container_texts
from leakscope.analysis.index import HeapIndex
from leakscope.findings.diff import (
    ClassChange,
    ClusterChange,
    ContainerChange,
    Diff,
    Rest,
    SessionsChange,
    SessionsOfClass,
)
from leakscope.graph.facts import same_places

Bools = npt.NDArray[np.bool_]
Change = TypeVar("Change", ClassChange, ClusterChange)

_SAME_CREATION_S = 1e-3
_LARGE = 100
"""A container that came into being between the snapshots is worth a line from this many entries on."""


def find_diff(digests: Sequence[Digest], last: HeapIndex, limit: int = 20) -> Diff:
    """What changed from the first to the last of at least two digests; ``last`` is the heap behind the last one.

    At most ``limit`` rows of each kind; what is folded away is summed up.
    """
    same = same_places([each.facts for each in digests])
    classes, other_classes = _shown(_classes(digests), limit)
    clusters, other_clusters = _shown(_clusters(digests), limit)
    return Diff(
        snapshots=tuple(each.row for each in digests),
        same_process=same,
        classes=classes,
        other_classes=other_classes,
        sessions=_sessions(digests, same),
        clusters=clusters,
        other_clusters=other_clusters,
        containers=_containers(digests, last, limit) if same else _named_containers(digests, limit),
        notes=tuple(_notes(digests, same)),
    )


def _classes(digests: Sequence[Digest]) -> list[ClassChange]:
    names = dict.fromkeys(name for each in digests for name in each.classes)
    changes = []
    for name in names:
        rows = [each.classes.get(name) for each in digests]
        counts = tuple(row.count if row else 0 for row in rows)
        retained = [row.retained_bytes if row else 0 for row in rows]
        changes.append(ClassChange(name, counts, counts[-1] - counts[0], retained[-1] - retained[0]))
    return changes


def _clusters(digests: Sequence[Digest]) -> list[ClusterChange]:
    keys = dict.fromkeys(key for each in digests for key in each.clusters)
    changes = []
    for key in keys:
        rows = [each.clusters.get(key, (0, 0)) for each in digests]
        text = next((each.texts[key] for each in reversed(digests) if key in each.texts), None)
        counts = tuple(count for count, _ in rows)
        changes.append(ClusterChange(*key, counts, counts[-1] - counts[0], rows[-1][1] - rows[0][1], text))
    return changes


def _shown(changes: Iterable[Change], limit: int) -> tuple[tuple[Change, ...], Rest]:
    """Those that changed: steady growth first, then by bytes; the others summed up."""
    changed = [each for each in changes if len(set(each.counts)) > 1 or each.retained_delta_bytes]
    changed.sort(key=lambda each: (not _grows(each.counts), -each.retained_delta_bytes, -each.delta, each.class_))
    rest = changed[limit:]
    folded = Rest(len(rest), sum(each.delta for each in rest), sum(each.retained_delta_bytes for each in rest))
    return tuple(changed[:limit]), folded


def _grows(counts: Sequence[int]) -> bool:
    """In every step."""
    return all(after > before for before, after in pairwise(counts))


def _sessions(digests: Sequence[Digest], same: bool) -> SessionsChange:
    first, last = digests[0].sessions, digests[-1].sessions
    survived = _survivors(first, last) if same else None
    ages = last.age[survived] if survived is not None else np.empty(0)
    oldest = float(np.nanmax(ages)) if len(ages) and not np.isnan(ages).all() else None
    between = _between(digests)
    if survived is not None and survived.any() and between is not None:
        oldest = max(oldest or 0.0, between)  # who survived is at least that old
    of_class = [_counts(each.sessions) for each in digests]
    kept = _counts(last, survived) if survived is not None else {}
    rows = [
        _came_and_went(name, tuple(counts.get(name, 0) for counts in of_class), kept.get(name, 0) if same else None)
        for name in dict.fromkeys(name for counts in of_class for name in counts)
    ]
    rows.sort(key=lambda row: (row.counts[0] - row.counts[-1], row.class_))
    total = _came_and_went("", tuple(len(each.sessions.of) for each in digests), sum(kept.values()) if same else None)
    return SessionsChange(
        total.counts, total.born, total.gone, total.survived, None if oldest is None else round(oldest, 3), tuple(rows)
    )


def _came_and_went(name: str, counts: tuple[int, ...], survived: int | None) -> SessionsOfClass:
    if survived is None:
        return SessionsOfClass(name, counts, None, None, None)
    return SessionsOfClass(name, counts, counts[-1] - survived, counts[0] - survived, survived)


def _between(digests: Sequence[Digest]) -> float | None:
    begin, end = digests[0].row.captured_at, digests[-1].row.captured_at
    return None if begin is None or end is None else end - begin


def _survivors(first: SessionRows, last: SessionRows) -> Bools:
    """By session of the last snapshot: whether the first one has it."""
    if not len(first.address) or not len(last.address):
        return np.zeros(len(last.address), dtype=np.bool_)
    place = np.searchsorted(first.address, last.address).clip(max=len(first.address) - 1)
    number = {name: row for row, name in enumerate(first.class_)}
    same_class = np.array([number.get(name, -1) for name in last.class_], dtype=np.int32)[last.of]
    survived: Bools = (first.address[place] == last.address) & (first.of[place] == same_class)
    survived &= first.id[place] == last.id
    survived &= ~(np.abs(first.created[place] - last.created) > _SAME_CREATION_S)
    return survived


def _counts(rows: SessionRows, chosen: Bools | None = None) -> dict[str, int]:
    numbers, counts = np.unique(rows.of if chosen is None else rows.of[chosen], return_counts=True)
    return {rows.class_[row]: count for row, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def _containers(digests: Sequence[Digest], last: HeapIndex, limit: int) -> tuple[ContainerChange, ...]:
    """Of one process: by address and type; what was born meanwhile counts from 0."""
    newest = digests[-1].containers
    lengths = np.zeros((len(digests), len(newest.node)), dtype=np.int64)
    lengths[-1] = newest.length
    for row, each in zip(lengths, digests[:-1], strict=False):
        older = each.containers
        if not len(older.address):
            continue
        place = np.searchsorted(older.address, newest.address).clip(max=len(older.address) - 1)
        number = {name: at for at, name in enumerate(older.type_names)}
        same_type = np.array([number.get(name, -1) for name in newest.type_names], dtype=np.int32)[newest.type]
        row[:] = np.where(
            (older.address[place] == newest.address) & (older.type[place] == same_type), older.length[place], 0
        )
    delta = lengths[-1] - lengths[0]
    old = lengths[0] > 0
    # A container that is new is somebody's part; what grew is what was there and has more in it.
    chosen = np.lexsort((-delta, ~old))[:limit]
    chosen = chosen[(delta[chosen] > 0) & (old[chosen] | (lengths[-1][chosen] >= _LARGE))]
    texts = container_texts(last, newest.node[chosen])
    return tuple(
        ContainerChange(
            holder=texts[int(newest.node[at])],
            type=newest.type_names[int(newest.type[at])],
            lengths=tuple(lengths[:, at].tolist()),
            delta=int(delta[at]),
            address=int(newest.address[at]),
        )
        for at in chosen.tolist()
    )


def _named_containers(digests: Sequence[Digest], limit: int) -> tuple[ContainerChange, ...]:
    """Of several processes: by fingerprint and type, among the largest of each."""
    keys = [key for key in digests[-1].named_containers if all(key in each.named_containers for each in digests)]
    rows = []
    for key in keys:
        found = [each.named_containers[key] for each in digests]
        lengths = tuple(length for _, length in found)
        if lengths[-1] > lengths[0]:
            rows.append(ContainerChange(found[-1][0], key[1], lengths, lengths[-1] - lengths[0], None))
    return tuple(sorted(rows, key=lambda row: (-row.delta, row.holder))[:limit])


def _notes(digests: Sequence[Digest], same: bool) -> Iterable[str]:
    versions = list(dict.fromkeys(".".join(each.row.version.split(".")[:2]) for each in digests))
    if not same:
        yield (
            "These are snapshots of different processes, or of a JVM, which moves objects: addresses mean nothing "
            "across them, so objects are not followed. Compared are counts by class, and holders by fingerprint."
        )
    if len(versions) > 1:
        yield (
            f"CPython {' and '.join(versions)} keep instances differently: counts of dict, tuple, code and other "
            "builtin types, and bytes of all classes, differ without any change in the program."
        )
    if same and len(digests) == 2:
        yield "Two snapshots cannot tell a leak from a cache that still fills; a third one can (leakscope suspects)."
