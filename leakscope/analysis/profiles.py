"""Go profiles: which places in code have most in use, what grew, and which grow as a leak does."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from leakscope.errors import InputError
from leakscope.findings.gate import Observation
from leakscope.findings.profiles import ProfileReport, Site, SiteSuspect
from leakscope.graph.profile import Measure, Place, Profile, Stack

LEAST_PER_STEP = 3
LEAST_SAMPLES = 10
"""Fewer sampled objects than these are noise: growth of less than so many times the sampling rate."""
_SLOWEST = 0.3
_LATE = 0.5
"""Shares of the largest and of the first step, as in ``growth``: what fills up slows down."""

_STANDARD = frozenset({
    "archive", "arena", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database",
    "debug", "embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index",
    "internal", "io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp",
    "runtime", "slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time",
    "type", "unicode", "unique", "unsafe", "vendor", "weak",
})  # fmt: skip
"""First elements of the import paths of Go's own packages."""

_KINDS = {
    Measure.HEAP: "allocation site",
    Measure.GOROUTINES: "goroutines",
    Measure.REFERENCES: "reference chain",
}
_REMEDIES = {
    Measure.HEAP: "What is made here is never let go. A profile does not say who holds it: look for the map, slice or "
    "channel that this code puts it in; goref (github.com/cloudwego/goref) shows the chain of a live process.",
    Measure.GOROUTINES: "They wait for what never comes: give the wait a way out (select with ctx.Done() or a timer), "
    "and close the channel, or end the request, where the work ends.",
    Measure.REFERENCES: "Take the entry out when its work ends (defer delete(...)), or give the container a bound.",
}


@dataclass
class _Group:
    """Stacks with one function to answer for them."""

    blamed: Place
    counts: list[int]
    bytes: list[int]
    stacks: Counter[Stack] = field(default_factory=Counter)


def report(profiles: Sequence[Profile], limit: int, by_growth: bool = False) -> ProfileReport:
    """The sites of ``profiles``, put into the order of their capture; InputError if they are of several kinds.

    ``by_growth``: the sites that grew most come first, not those that have most.
    """
    profiles = sorted(profiles, key=lambda one: one.captured_at or 0.0)
    measures = {one.measure for one in profiles}
    if len(measures) != 1:
        shown = " and ".join(sorted(measure.value for measure in measures))
        raise InputError(f"profiles of {shown} cannot be compared", "Compare heap with heap, goroutine with goroutine.")
    (measure,) = measures
    sites = _sites(profiles, measure)
    ranked = sorted(sites, key=lambda site: (_weight(site, by_growth), site.function), reverse=True)
    suspects, notes = _suspects(profiles, measure, sites)
    return ProfileReport(
        measure=measure.value,
        sampled_bytes=max(one.sampled_bytes for one in profiles),
        captured_at=tuple(one.captured_at for one in profiles),
        counts=tuple(sum(one.counts) for one in profiles),
        bytes=tuple(sum(one.bytes) for one in profiles),
        sites=tuple(ranked[:limit]),
        total=len(ranked),
        suspects=tuple(suspects),
        notes=tuple(notes),
    )


def observe_profiles(profiles: Sequence[Profile]) -> tuple[list[Observation], list[str]]:
    """What the gate judges: growth by place, and notes on what it cannot judge."""
    told = report(profiles, limit=0)
    notes = list(told.notes)
    if len(profiles) < 3:
        notes.append("growth was not judged: it takes three or more profiles of one process, taken after equal rounds")
    return [_observation(each) for each in told.suspects], notes


def _observation(suspect: SiteSuspect) -> Observation:
    site = suspect.site
    return Observation(
        rule="growth",
        found=round(suspect.growth_per_step, 2),
        unit="objects",
        class_=site.function,
        fingerprint=site.fingerprint,
        chain=" < ".join(site.stack),
        evidence=suspect.evidence,
        remedy=suspect.remedy,
        file=site.file,
        line=site.line,
    )


def _sites(profiles: Sequence[Profile], measure: Measure) -> list[Site]:
    groups: dict[str, _Group] = {}
    for at, profile in enumerate(profiles):
        for stack, count, size in zip(profile.stacks, profile.counts, profile.bytes, strict=True):
            blamed = _blamed(stack, measure)
            key = _chain_key(stack) if measure == Measure.REFERENCES else blamed.function
            if key not in groups:
                groups[key] = _Group(blamed, [0] * len(profiles), [0] * len(profiles))
            group = groups[key]
            group.counts[at] += count
            group.bytes[at] += size
            group.stacks[stack] += max(1, size, count)
    return [_site(group, measure) for group in groups.values()]


def _site(group: _Group, measure: Measure) -> Site:
    commonest = group.stacks.most_common(1)[0][0]
    shown = tuple(map(_shown, commonest))
    functions = "\n".join([group.blamed.function, *(place.function for place in commonest)])
    return Site(
        function=group.blamed.function,
        file=group.blamed.file or None,
        line=_blamed(commonest, measure).line or None,
        stack=shown[::-1] if measure == Measure.REFERENCES else shown,
        stacks=len(group.stacks),
        counts=tuple(group.counts),
        bytes=tuple(group.bytes),
        fingerprint=hashlib.blake2b(functions.encode(errors="replace"), digest_size=6).hexdigest(),
    )


def _blamed(stack: Stack, measure: Measure) -> Place:
    """The innermost of the user's own functions, else of a library's; of references the root, which has a name."""
    if not stack:
        return Place("(no stack)", "", 0)
    if measure == Measure.REFERENCES:
        return stack[-1]
    for fits in (_is_users, lambda place: not _is_standard(place)):
        for place in stack:
            if fits(place):
                return place
    return stack[0]


def _is_users(place: Place) -> bool:
    return not _is_standard(place) and not any(part in place.file for part in ("@v", "/vendor/", "/pkg/mod/"))


def _is_standard(place: Place) -> bool:
    """By the first element of the import path: others have a dot in it, or are ``main``."""
    return place.function.partition("/")[0].partition(".")[0] in _STANDARD or place.function.startswith("0x")


def _chain_key(stack: Stack) -> str:
    return "\n".join(place.function for place in stack)


def _shown(place: Place) -> str:
    if not place.file:
        return place.function
    file = place.file.rpartition("/")[2]
    return f"{place.function} ({file}:{place.line})" if place.line else f"{place.function} ({file})"


def _weight(site: Site, by_growth: bool) -> tuple[int, int]:
    if by_growth:
        return site.bytes[-1] - site.bytes[0], site.counts[-1] - site.counts[0]
    return site.bytes[-1], site.counts[-1]


def _suspects(profiles: Sequence[Profile], measure: Measure, sites: list[Site]) -> tuple[list[SiteSuspect], list[str]]:
    notes = _notes(profiles, measure)
    if len(profiles) < 3:
        return [], notes
    sampled = max(one.sampled_bytes for one in profiles)
    growing = [site for site in sites if _grows(_numbers(site, sampled))]
    certain = [site for site in growing if site.bytes[-1] - site.bytes[0] >= LEAST_SAMPLES * sampled or sampled == 1]
    if len(certain) < len(growing):
        notes.append(
            f"{len(growing) - len(certain)} more grew, by less than {LEAST_SAMPLES} samples: noise, or do more work."
        )
    certain.sort(key=lambda site: (_weight(site, by_growth=True), site.function), reverse=True)
    return [_suspect(rank, site, measure, sampled) for rank, site in enumerate(certain, start=1)], notes


def _numbers(site: Site, sampled: int) -> tuple[int, ...]:
    """What is looked at for growth: bytes where objects were sampled by their bytes, else the count."""
    return site.bytes if sampled > 1 else site.counts


def _grows(numbers: tuple[int, ...]) -> bool:
    steps = [after - before for before, after in pairwise(numbers)]
    return min(steps) >= LEAST_PER_STEP and min(steps) >= _SLOWEST * max(steps) and steps[-1] >= _LATE * steps[0]


def _suspect(rank: int, site: Site, measure: Measure, sampled: int) -> SiteSuspect:
    what = "goroutines" if measure == Measure.GOROUTINES else "objects"
    steps = [after - before for before, after in pairwise(site.counts)]
    lines = [f"grew by {', '.join(f'{step:,}' for step in steps)} {what} in {len(steps)} steps"]
    if sampled > 1:
        grown = site.bytes[-1] - site.bytes[0]
        lines.append(f"estimated from about {grown // sampled:,} samples, one in {sampled:,} allocated bytes")
    if site.stacks > 1:
        lines.append(f"by {site.stacks} different stacks; the one that has most is shown")
    growth = sum(steps) / len(steps)
    return SiteSuspect(rank, _KINDS[measure], site, growth, tuple(lines), _REMEDIES[measure])


def _notes(profiles: Sequence[Profile], measure: Measure) -> list[str]:
    notes = []
    sampled = max(one.sampled_bytes for one in profiles)
    if sampled > 1:
        notes.append(
            f"Counts are estimates: Go looks at one object in {sampled:,} allocated bytes (runtime.MemProfileRate), "
            "as of its last collection (?gc=1)."
        )
    if measure == Measure.HEAP:
        notes.append("A heap profile says where objects were made, not who holds them.")
    return notes
