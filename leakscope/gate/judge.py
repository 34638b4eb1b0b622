"""Observations x policy x baseline -> verdict. Nothing is measured here."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from leakscope.findings.gate import KnownLeak, Observation, Round, Verdict, Violation
from leakscope.gate.baseline import key
from leakscope.gate.policy import Policy

_EXACT_ONLY = (
    "closed-retained", "expected-gone", "closing-hung", "holder-dead", "unregistered", "overdue", "age", "idle",
)  # fmt: skip


def violations(observations: Iterable[Observation], policy: Policy) -> tuple[Violation, ...]:
    """What is beyond the policy's limits, in the order in which it was observed."""
    found = []
    for seen in observations:
        limit = limit_of(seen, policy)
        if limit is not None and seen.found > limit:
            found.append(_violation(seen, limit))
    return tuple(found)


def limit_of(seen: Observation, policy: Policy) -> float | None:
    """The limit that the policy sets for an observation; None if it sets none."""
    if seen.rule in _EXACT_ONLY and not seen.exact and not policy.guessed:
        return None
    if seen.rule in ("sessions", "retained"):
        return _of_pattern(policy.sessions if seen.rule == "sessions" else policy.retained, seen.class_)
    if seen.rule == "container":
        return _of_pattern(policy.containers, seen.holder)
    limits: dict[str, float | None] = {
        "growth": policy.growth,
        "closed-retained": policy.closed_retained,
        "expected-gone": policy.expected_gone,
        "closing-hung": policy.closing_hung,
        "holder-dead": policy.holder_dead,
        "unregistered": policy.unregistered,
        "overdue": policy.overdue,
        "age": policy.age,
        "idle": policy.idle,
        "descriptors": policy.descriptors,
        "threads": policy.threads,
    }
    return limits[seen.rule]


def judge(
    found: Sequence[Violation],
    baseline: Iterable[KnownLeak],
    today: datetime.date,
    rounds: Sequence[Round] = (),
    notes: Sequence[str] = (),
) -> Verdict:
    """Fails for every violation that the baseline does not allow, or allows no longer."""
    entries = {key(entry): entry for entry in baseline}
    failing, new, known = [], [], []
    for leak in found:
        entry = entries.get(key(leak))
        if entry is None:
            new.append(leak)
            failing.append(leak)
            continue
        expired = entry.expires is not None and datetime.date.fromisoformat(entry.expires) < today
        leak = replace(leak, reason=entry.reason, expired=entry.expires if expired else None)
        if expired or leak.found > entry.allowed:
            failing.append(replace(leak, limit=max(leak.limit, entry.allowed)))
        else:
            known.append(leak)
    seen = {key(leak) for leak in found}
    fixed = tuple(entry for entry in entries.values() if key(entry) not in seen)
    return Verdict(not failing, tuple(failing), tuple(new), tuple(known), fixed, tuple(rounds), tuple(notes))


def _of_pattern(limits: Iterable[str] | dict[str, int], name: str | None) -> float | None:
    """That of the first pattern that matches."""
    if name is None or not isinstance(limits, dict):
        return None
    return next((limit for pattern, limit in limits.items() if fnmatchcase(name, pattern)), None)


def _violation(seen: Observation, limit: float) -> Violation:
    return Violation(
        rule=seen.rule,
        class_=seen.class_,
        fingerprint=seen.fingerprint,
        chain=seen.chain,
        limit=limit,
        found=seen.found,
        unit=seen.unit,
        message=_message(seen, limit),
        holder=seen.holder,
        evidence=seen.evidence,
        remedy=seen.remedy,
        file=seen.file,
        line=seen.line,
    )


def _message(seen: Observation, limit: float) -> str:
    """Numbers are shown as they are: sizes and ages are formatted by ``render`` beside this sentence."""
    found, what = _plain(seen.found), seen.class_ or "objects"
    by = f" by {seen.holder}" if seen.holder else ""
    held = f", held{by}" if by else ""
    sentences = {
        "growth": f"{what} grows by {found} per round{held}",
        "sessions": f"{found} live {what}, {_plain(limit)} allowed{held}",
        "age": f"a {what} is older than allowed{held}",
        "idle": f"a {what} has been unused for longer than allowed{held}",
        "overdue": f"{found} {what} are alive although their own time is over{held}",
        "closed-retained": f"{found} {what} are closed but still held{by}",
        "expected-gone": f"{found} {what} were expected to be gone and are held{by}",
        "closing-hung": f"{found} {what} have been closing for over a minute{held}",
        "holder-dead": f"{found} {what} are kept for a holder that is dead{held}",
        "unregistered": f"{found} {what} live although their registry has forgotten them{held}",
        "retained": f"{what} keeps more memory alive than allowed{held}",
        "container": f"{seen.holder} has {found} entries, {_plain(limit)} allowed",
        "descriptors": f"open file descriptors grow by {found} per round",
        "threads": f"threads grow by {found} per round",
    }
    return sentences[seen.rule]


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.2f}"
