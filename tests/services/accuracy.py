"""The accuracy suite: every leak and every sound service is started, worked and judged by leakscope from outside.

    python -m tests.services.accuracy [ID ...] [--rounds 3] [--sound-rounds 10] [--on 3.12] [--at-once 2]

Prints one table: leak, found unaided (rank among the suspects), chain right, count right, state and age right, the
gate's verdict, the longest pause. Exits with 1 if any answer is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from fixtures.services.expected import LEAKS, SOUND, Leak, Sound
from tests.interpreters import Interpreter, one_per_version
from tests.services.worked import GROUPS, SESSIONS, Service, Worked, asked, busy, python_of, running, work

Document = dict[str, Any]
Job = tuple[str, str, Callable[[Path], "Judged"]]
"""Name, kind, and what judges it."""
_CLOCKS_S = 0.05
"""By which what a process says of its clocks may be wrong."""


@dataclass
class Judged:
    """What leakscope said, and what was wrong with that."""

    name: str
    kind: str
    """``leak``, ``sound`` or ``under load``."""
    rank: int | None = None
    """Of the true holder among the suspects; None: not among them."""
    chain: bool = False
    count: bool = False
    state: bool = False
    """And the ages."""
    gate: str = "?"
    pause_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def check(self, right: bool, otherwise: str) -> bool:
        """``right``, and if it is not that is said."""
        if not right:
            self.wrong.append(otherwise)
        return right


def judge_leak(
    leak: Leak, rounds: int, folder: Path, leaking: bool = True, interpreter: Interpreter | None = None
) -> Judged:
    """Starts the service with the leak, works it, and compares; unless ``leaking``, without it."""
    judged = Judged(leak.id, "leak")
    with running(leak.service, leak.options, leak.id if leaking else None, interpreter) as service:
        worked = work(service, leak, rounds, folder)
        judged.pause_ms = worked.pause_ms
        if leak.store is not None:
            _judge_store(leak, service, worked, judged)
    if leak.store == "keys":
        return judged
    # The load ended every session that it should have, and what is left is the service's fault. Only whoever did the
    # work knows that: a session within its time to live is an excuse unless --ended says that it was to end.
    suspects, gate, sessions, *chains = asked(
        ("suspects", *worked.last, "--ended", "--limit", 20),
        ("gate", *worked.last, "--ended"),
        ("sessions", worked.last[-1], "--class", leak.held.class_, "--limit", 10_000),
        *(("chains", worked.last[-1], "--class", held.class_) for held in (leak.held, leak.also) if held),
    )
    _judge_suspects(leak, suspects["suspects"], judged)
    fingerprints = _judge_chains(leak, chains, len(worked.rounds), judged)
    _judge_state(leak, [item for item in sessions["items"] if item["fingerprint"] in fingerprints], worked, judged)
    _judge_gate(leak, gate, judged)
    return judged


def _judge_suspects(leak: Leak, suspects: list[Document], judged: Judged) -> None:
    """The first is the leak, as large as the load made it, and no other leak of the service."""
    fits = [each["rank"] for each in suspects if re.search(leak.held.holder, each["chain"])]
    judged.rank = min(fits, default=None)
    first: Document = suspects[0] if suspects else {"chain": "none", "growth_per_step": None}
    if judged.check(judged.rank == 1, f"first suspect: {first['chain']}"):
        grows = first["growth_per_step"]
        judged.check(grows == leak.held.per_session * SESSIONS, f"the first suspect grows by {grows} in a round")
    for other in LEAKS:
        if other.service == leak.service and other.id not in (leak.id, leak.twin):
            judged.check(not re.search(other.held.holder, first["chain"]), f"taken for {other.id}: {first['chain']}")


def _judge_chains(leak: Leak, chains: list[Document], rounds: int, judged: Judged) -> set[str]:
    """All that leaks is held in the expected way, and there is as much of it as expected. The ways' fingerprints."""
    fingerprints: list[set[str]] = []
    rights, counts = [], []
    for held, told in zip((each for each in (leak.held, leak.also) if each), chains, strict=True):
        right = [each for each in told["clusters"] if re.search(held.holder, each["text"])]
        count, expected = sum(each["count"] for each in right), round(held.per_session * SESSIONS * rounds)
        rights.append(judged.check(bool(right), f"chains: {[each['text'] for each in told['clusters']][:3]}"))
        counts.append(judged.check(count == expected, f"{count} x {held.class_} where {expected} were expected"))
        fingerprints.append({each["fingerprint"] for each in right})
    judged.chain, judged.count = all(rights), all(counts)
    return fingerprints[0]


def _judge_state(leak: Leak, items: list[Document], worked: Worked, judged: Judged) -> None:
    """Each is left as expected, and was born in one of the rounds, in each as many as expected."""
    left = leak.left
    flags: set[str] = {left.flag} if left.flag else set()
    per_round = round(leak.held.per_session * SESSIONS)
    states = Counter(
        f"{each['state']} {','.join(each['flags'])}".strip()
        for each in items
        if each["state"] != left.state or not (flags <= set(each["flags"]) if flags else not each["flags"])
    )
    ages = [each["age_s"] for each in items]
    born = [worked.captured_at - age for age in ages if age is not None]
    by_round = [sum(began - _CLOCKS_S <= each <= ended + _CLOCKS_S for each in born) for began, ended in worked.rounds]
    expected = [per_round if left.has_age else 0] * len(worked.rounds)
    judged.state = all(
        (
            judged.check(len(items) == per_round * len(worked.rounds), f"{len(items)} sessions"),
            judged.check(not states, f"states {dict(states)} where {left.state} {left.flag or ''} was expected"),
            judged.check(by_round == expected and len(born) == sum(expected), f"born by round: {by_round}"),
        )
    )


def _judge_gate(leak: Leak, gate: Document, judged: Judged) -> None:
    """It fails by the expected rule, and nothing that it calls a growth of the leak is more or less than that."""
    judged.gate = gate["verdict"]
    judged.check(judged.gate == "fail", f"gate: {judged.gate}")
    named = [each for each in gate["violations"] if re.search(leak.held.holder, each["chain"] or "")]
    rules = {each["rule"] for each in named}
    judged.check(leak.left.rule in rules, f"gate: rules {sorted(rules)} where {leak.left.rule} was expected")
    found = {each["found"] for each in named if each["rule"] == "growth"}
    judged.check(found <= {leak.held.per_session * SESSIONS}, f"gate: growth of {sorted(found)} in a round")
    open_ = [each["descriptors"] for each in gate["rounds"]]
    least = leak.descriptors * SESSIONS
    grown = all(after - before >= least for before, after in pairwise(open_)) if least else True
    judged.check(grown, f"descriptors {open_} where each round was to leave {least} open")


def _judge_store(leak: Leak, service: Service, worked: Worked, judged: Judged) -> None:
    """Keys that never expire, or copies that are gone from the store: as many as expected."""
    expected = round(leak.held.per_session * SESSIONS * len(worked.rounds))
    (told,) = asked(
        ("store", service.redis, "--match", "session:*", "--snapshot", worked.last[-1], "--fail", "--limit", 10_000)
    )
    if leak.store == "copies":
        count = sum(row["gone"] for row in told["copies"] if row["class"] == leak.held.class_)
        judged.check(count == expected, f"store: {count} copies gone where {expected} were expected")
        first = next((each["text"] for each in told["clusters"]), "none")
        judged.check(bool(re.search(leak.held.holder, first)), f"store: copies that are gone held by {first}")
        return
    wrong = [each for each in told["keys"]["items"] if "no-expiry" in each["flags"] and each["ttl_s"] is None]
    judged.chain = judged.check(all(re.search(leak.held.holder, each["key"]) for each in wrong), "store: other keys")
    judged.rank = 1 if wrong and judged.chain else None
    judged.count = judged.check(len(wrong) == expected, f"store: {len(wrong)} keys where {expected} were expected")
    idle = worked.captured_at - worked.rounds[0][0] + told["keys"]["elapsed_s"] + 60
    judged.state = judged.check(
        all(each["type"] == "hash" and 0 <= each["idle_s"] <= idle for each in wrong), "store: types or idle times"
    )
    judged.gate = "fail" if told["keys"]["flagged"] else "pass"


def judge_sound(
    sound: Sound, rounds: int, folder: Path, under_load: bool = False, interpreter: Interpreter | None = None
) -> Judged:
    """Starts the service without a leak; ``under_load``: another load goes on while it is looked at."""
    judged = Judged(sound.service, "under load" if under_load else "sound", chain=True, count=True, state=True)
    with running(sound.service, sound.options, interpreter=interpreter) as service:
        with busy(service) if under_load else contextlib.nullcontext():
            worked = work(service, sound, rounds, folder)
        judged.pause_ms = worked.pause_ms
        if service.redis:
            (told,) = asked(("store", service.redis))
            judged.check(not told["keys"]["flagged"], f"store: {told['keys']['flagged']} keys flagged")
    # --ended as for the leaks: what a sound service keeps of sessions that are over needs no excuse, there is nothing.
    commands = [(command, *files, "--ended") for files in worked.files.values() for command in ("suspects", "gate")]
    verdicts = set()
    for told in asked(*commands):
        for each in told.get("suspects", []):
            judged.wrong.append(f"suspect: {each['count']} x {each['class']} {each['chain']}")
        for each in told.get("violations", []):
            judged.wrong.append(f"gate: {each['message']} {each['chain']}")
        verdicts.add(told.get("verdict", "pass"))
    judged.gate = "pass" if verdicts == {"pass"} else "fail"
    judged.check(judged.gate == "pass", "gate: fails")
    return judged


def table(rows: Sequence[Judged]) -> str:
    """Markdown."""
    lines = [
        "| leak | rank | chain | count | state and age | gate | pause |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row.kind == "leak":
            marks = " | ".join("right" if each else "WRONG" for each in (row.chain, row.count, row.state))
            told = f"| {row.name} | {row.rank or 'not found'} | {marks} |"
        else:
            told = f"| {row.name}, {row.kind} | {'SUSPECTED' if row.wrong else 'none'} | | | |"
        lines.append(f"{told} {row.gate} | {row.pause_ms:.1f} ms |")
    return "\n".join(lines)


def total(rows: Sequence[Judged]) -> str:
    """Such as ``22/22 leaks, 4/4 sound services, 4/4 sound services under load``."""
    titles = {"leak": "leaks", "sound": "sound services", "under load": "sound services under load"}
    parts = []
    for kind, title in titles.items():
        right = [not row.wrong for row in rows if row.kind == kind]
        if right:
            parts.append(f"{sum(right)}/{len(right)} {title}")
    return ", ".join(parts)


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    on = _on(options)
    for leak in LEAKS:
        yield leak.id, "leak", partial(judge_leak, leak, options.rounds, interpreter=on)
    for under_load in (False, True):
        for sound in SOUND:
            job = partial(judge_sound, sound, options.sound_rounds, under_load=under_load, interpreter=on)
            yield sound.service, "under load" if under_load else "sound", job


def _on(options: argparse.Namespace) -> Interpreter | None:
    return {".".join(map(str, each.version[:2])): each for each in one_per_version()}.get(options.on)


def _told(job: Job) -> Judged:
    """Does the job, and says on standard error how it went."""
    name, kind, judge = job
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        try:
            judged = judge(Path(folder))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            judged = Judged(name, kind, wrong=[str(error).strip()])
    sys.stderr.write(f"{name}, {kind}: {'; '.join(judged.wrong) or 'right'}\n")
    return judged


def main() -> int:
    """Judges all, or those that are named."""
    parser = argparse.ArgumentParser(description="Does leakscope tell leaking services from sound ones?")
    known = [*(leak.id for leak in LEAKS), *(sound.service for sound in SOUND)]
    parser.add_argument("ids", nargs="*", metavar="ID", help="leaks, or services for their sound form; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="of a leak, beside one to warm up")
    parser.add_argument("--sound-rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="one waits while another computes")
    versions = [".".join(map(str, each.version[:2])) for each in one_per_version()]
    parser.add_argument("--on", choices=versions, help="the CPython that runs the services; default: the one of this")
    options = parser.parse_args()
    if unknown := set(options.ids) - set(known):
        parser.error(f"there is no {sorted(unknown)[0]!r}; there are: {', '.join(known)}")
    jobs = [job for job in _jobs(options) if not options.ids or job[0] in options.ids]
    for service in GROUPS:
        python_of(service, _on(options))  # made here if it is not there yet: no two jobs must make the same one
    with ThreadPoolExecutor(options.at_once) as pool:
        rows = list(pool.map(_told, jobs))
    sys.stdout.write(f"{table(rows)}\n\n{total(rows)}\n")
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
