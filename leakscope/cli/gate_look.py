"""What the gate finds in its snapshots, looked at twice: what is in flight and what merely fills up is no leak."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.gate_rounds import Series, Work, again, more
from leakscope.cli.source import rules_told

if TYPE_CHECKING:
    from leakscope.findings.gate import Observation, Violation
    from leakscope.gate.policy import Policy

_ROUNDS_TO_BE_SURE = 8
_MORE_ROUNDS = 4

_Key = tuple[str, str | None, str | None]


@dataclass(frozen=True)
class _Look:
    found: dict[_Key, Violation]
    doubtful: set[_Key]
    """Those of ``found`` that more rounds must confirm."""
    notes: list[str]
    """What was not judged."""


def find_violations(
    series: Sequence[Series],
    policy: Policy,
    work: Work,
    retry_after_s: float,
    rules: Sequence[Path],
    tell: Callable[[str], None],
) -> tuple[list[Violation], list[str]]:
    """What is beyond the limits, and notes.

    What a live service shows must show again ``retry_after_s`` later. Growth that is slow and short, as a cache at
    the end of its filling has it, must go on for some rounds more; where no more can be had, it is a note.
    """
    first = _look(series, policy, rules)
    live = [each for each in series if each.live]
    if not live:
        sure = [leak for key, leak in first.found.items() if key not in first.doubtful]
        return sure, [*first.notes, *(_doubt(first.found[key]) for key in first.found if key in first.doubtful)]
    if not first.found:
        return [], first.notes
    if first.doubtful:
        rounds = max(_MORE_ROUNDS, _ROUNDS_TO_BE_SURE - work.rounds)
        tell(f"{_findings(len(first.doubtful))} may be a cache that fills: {rounds} rounds more")
        more(live, rounds, work, tell, rules)
    tell(f"{_findings(len(first.found))} beyond the limits: looking again in {retry_after_s:g} s")
    time.sleep(retry_after_s)
    again(live, rules)
    second = _look(series, policy, rules)
    lasting = [leak for key, leak in second.found.items() if key in first.found]
    gone = len(first.found) - len(lasting)
    return lasting, [*second.notes, *([f"{_findings(gone)} gone when looked at again"] if gone else [])]


def _look(series: Sequence[Series], policy: Policy, rules: Sequence[Path]) -> _Look:
    """Violations in all processes; of one that several show, the worst."""
    from leakscope.analysis.observe import observe
    from leakscope.gate.baseline import key
    from leakscope.gate.judge import violations

    ruleset = rules_told(tuple(rules), Path.cwd())
    worst: dict[_Key, Violation] = {}
    doubtful: set[_Key] = set()
    notes: list[str] = []
    for each in series:
        seen, told = observe(each.graphs, ruleset, policy.retained, policy.containers.items(), policy.ended)
        notes += told
        doubtful |= {key(leak) for leak in violations([one for one in seen if one.doubtful], policy)}
        for violation in violations([_in_repository(one) for one in seen], policy):
            known = worst.setdefault(key(violation), violation)
            if violation.found > known.found:
                worst[key(violation)] = violation
    return _Look(worst, doubtful, list(dict.fromkeys(notes)))


def _in_repository(seen: Observation) -> Observation:
    """With its file as the repository calls it, where it is one of the repository's: pages of servers need that."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    file = here / seen.file if seen.file else root
    inside = file.is_relative_to(root) and file.is_file()
    return replace(seen, file=file.relative_to(root).as_posix()) if inside else seen


def _doubt(leak: Violation) -> str:
    return f"not judged: {leak.message}; {_ROUNDS_TO_BE_SURE} rounds would tell a slow leak from a cache that fills"


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"
