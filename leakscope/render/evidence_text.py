"""What the process shows beside its heap, and what should be gone, as lines of text. Escaped by whoever shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leakscope.findings.evidence import Expected, FileHolders, PoolUse, ProcessEvidence, SocketHolders
from leakscope.render import units

LINES_OF_HOLDERS = 5
LINES_OF_EXPECTED = 10
LINES_OF_POOLS = 10
NEARLY = 0.8
"""Of a limit: from here on it is worth a word."""


def lines(evidence: ProcessEvidence, most: int = LINES_OF_HOLDERS) -> list[str]:
    """``label  text``: memory, limit, descriptors, sockets, and the ``most`` largest groups of who holds them."""
    rows = [
        ("memory", _memory(evidence)),
        ("limit", _limit(evidence)),
        ("files", _descriptors(evidence)),
        *(("", _files(found)) for found in evidence.files_held[:most] if found.holders > 1),
        ("", _unowned(evidence)),
        ("sockets", _listed(evidence.sockets)),
        *(("", _holders(found)) for found in _telling(evidence.held)[:most]),
    ]
    return [f"{label:<9} {text}" for label, text in rows if text]


def pool_lines(pools: Iterable[PoolUse]) -> list[str]:
    """One line for each pool that has lent something, who has it below; the last line counts the others."""
    pools = list(pools)
    busy = [pool for pool in pools if pool.taken]
    shown = [line for pool in busy[:LINES_OF_POOLS] for line in _pool(pool)]
    others, unused = len(busy) - LINES_OF_POOLS, len(pools) - len(busy)
    if others > 0:
        shown.append(f"{units.count(others)} more in use")
    if unused:
        shown.append(f"{units.count(unused)} of which nothing is checked out")
    return shown


def expected_lines(groups: Iterable[Expected]) -> list[str]:
    """One line for each group of which objects are due."""
    return [_expected(group) for group in groups if group.due][:LINES_OF_EXPECTED]


def _memory(evidence: ProcessEvidence) -> str:
    text = f"live Python objects {units.size(evidence.live_heap_bytes)}"
    if evidence.rss_bytes is not None:
        text = f"RSS {units.size(evidence.rss_bytes)}, {text}"
    if evidence.swap_bytes:
        text += f", swapped out {units.size(evidence.swap_bytes)}"
    own, other = evidence.anonymous_bytes, evidence.other_bytes
    if own and other and 2 * other > own:
        text += f"; {units.size(other)} is not Python objects: memory of C code, or freed and not given back"
    return text


def _limit(evidence: ProcessEvidence) -> str:
    limit, used = evidence.memory_limit_bytes, evidence.memory_used_bytes
    if limit is None or used is None:
        return ""
    return f"memory {units.size(used)} of {units.size(limit)}{_nearly(used, limit)}"


def _descriptors(evidence: ProcessEvidence) -> str:
    if evidence.descriptors is None:
        return ""
    total = sum(evidence.descriptors.values())
    of = "" if evidence.descriptors_limit is None else f" of {units.count(evidence.descriptors_limit)} allowed"
    near = _nearly(total, evidence.descriptors_limit)
    return f"{units.count(total)} descriptors{of}{near}: {_listed(evidence.descriptors)}"


def _nearly(used: int, limit: int | None) -> str:
    return f" ({used / limit:.0%})" if limit and used >= NEARLY * limit else ""


def _listed(counts: Mapping[str, int] | None) -> str:
    """The largest first."""
    most = sorted((counts or {}).items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{units.count(number)} {name}" for name, number in most)


def _telling(held: Iterable[SocketHolders]) -> list[SocketHolders]:
    """What the other side has closed first: such a socket waits for nothing but its owner."""
    return sorted(held, key=lambda found: (found.state != "CLOSE_WAIT", -found.sockets, found.class_))


def _holders(found: SocketHolders) -> str:
    return f"{units.count(found.sockets)} in {found.state} held by {units.count(found.holders)} {found.class_}"


def _files(found: FileHolders) -> str:
    return f"{units.count(found.descriptors)} {found.kind} held by {units.count(found.holders)} {found.class_}"


def _unowned(evidence: ProcessEvidence) -> str:
    return f"{_listed(evidence.unowned)} of no file, socket or epoll object" if evidence.unowned else ""


def _pool(pool: PoolUse) -> list[str]:
    of = "" if pool.limit is None else f" of {units.count(pool.limit)}"
    idle = "" if pool.idle is None else f", {units.count(pool.idle)} idle"
    full = ": exhausted" if pool.exhausted else ""
    held = [f"  {units.count(number)} held by {class_}" for class_, number in pool.held_by.items()]
    return [f"{pool.class_}: {units.count(pool.taken)}{of} checked out{idle}{full}", *held]


def _expected(group: Expected) -> str:
    reason = f" after {group.reason!r}" if group.reason else ""
    late = f", the first for {units.age(group.overdue_s)}" if group.overdue_s is not None else ""
    waiting = group.waiting - group.due
    more = f"; {units.count(waiting)} more not yet due" if waiting else ""
    return f"{units.count(group.due)} {group.class_} should be gone{reason}{late}{more}"
