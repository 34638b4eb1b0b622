"""A report as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.truth.compare import Report

FAMILY_GOAL = 0.99


def lines_of(report: Report, rows: int = 40) -> Iterator[str]:
    """What was missed and what was added, the most frequent first."""
    yield f"objects: {report.objects} known inside, {report.tracked} of them tracked"
    yield from _section("tracked objects missing", report.missing_tracked, rows)
    yield from _section("untracked objects missing", report.missing_untracked, rows)
    yield from _section("wrong type names (true, read)", report.wrong_types, rows)
    yield from _section("live objects said to be garbage", report.garbage, rows)
    yield from _section("objects unknown inside (not garbage)", report.unknown_objects, rows)
    yield from _section("wrong sizes", report.wrong_sizes, rows)
    yield from _section("of these, sized as builtins are", report.wrong_builtin_sizes, rows)
    for name, _ in report.wrong_sizes.most_common(rows):
        address, true, found = report.size_examples[name]
        yield f"        {name} at {address:#x}: true {true}, read {found}"
    yield from _families(report, rows)
    yield from _section("references missed (holder, target)", report.misses, rows)
    yield from _section("references added (holder, edge, target)", report.extras, rows)
    yield from _section("beyond tp_traverse, not counted (holder, edge, target)", report.beyond, rows)
    frames = report.frames
    yield f"frames: {frames.true} running, {frames.locals} locals"
    yield from _section("frames and locals that differ", Counter(frames.problems), rows)


def _families(report: Report, rows: int) -> Iterator[str]:
    total = report.overall
    yield f"references: {total.true}, recall {total.recall:.5%}, precision {total.precision:.5%}"
    worst = sorted(report.families.items(), key=lambda item: -(item[1].missed + item[1].extra))
    yield f"    {'type':48} {'true':>9} {'missed':>8} {'extra':>8} {'recall':>8} {'precision'}"
    for name, family in worst[:rows]:
        if family.missed + family.extra:
            below = " <" if min(family.recall, family.precision) < FAMILY_GOAL else ""
            yield (
                f"    {name[:48]:48} {family.true:9} {family.missed:8} {family.extra:8}"
                f" {family.recall:8.2%} {family.precision:8.2%}{below}"
            )


def _section(title: str, counter: Counter[Any], rows: int) -> Iterator[str]:
    yield f"{title}: {sum(counter.values())}"
    for key, count in counter.most_common(rows):
        text = "  ".join(key) if isinstance(key, tuple) else key
        yield f"    {count:7}  {text}"
    if len(counter) > rows:
        yield f"             ... and {len(counter) - rows} more kinds"
