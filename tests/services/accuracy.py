"""The accuracy suite: every leak and every sound service is started, worked and judged by leakscope from outside.

    python -m tests.services.accuracy [ID ...] [--rounds 3] [--sound-rounds 10]

Prints one table: leak, found unaided (rank among the suspects), chain right, count right, state right, the gate's
verdict, the longest pause. Exits with 1 if any answer is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures.commands import ROOT, clean_environment, leakscope
from fixtures.services.expected import IN_THE_STORE, LEAKS, SOUND, Leak, Sound
from tests.catalogue.environments import with_libraries
from tests.interpreters import one_per_version

SESSIONS = 20
WARMUP = 1
GROUPS = {"autoglm": "services", "openziti": "services", "dify_api": "dify", "dify_cluster": "services"}
"""The environment of each service."""
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Service:
    """One that has said it is ready."""

    name: str
    python: Path
    port: int
    pids: tuple[int, ...]
    """Of the processes to look at; the last one leaks, if any does."""
    redis: str | None

    def load(self, sessions: int, mix: str) -> None:
        """One round of work. AssertionError if an answer is not as expected."""
        command = [self.python, "-m", "fixtures.services.load", self.name, str(self.port), "--mix", mix]
        done = subprocess.run(
            [*command, "--sessions", str(sessions)], cwd=ROOT, text=True, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{self.name}: {done.stderr}"


@dataclass
class Judged:
    """What leakscope said, and what was wrong with that."""

    name: str
    rank: int | None = None
    """Of the true holder among the suspects; None: not among them."""
    chain: bool = False
    count: bool = False
    state: bool = False
    gate: str = "?"
    pause_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running(name: str, options: Sequence[str] = (), leak: str | None = None) -> Iterator[Service]:
    """The service, started and always ended. AssertionError if it does not start, or does not end cleanly."""
    python = with_libraries(_interpreter(), GROUPS[name])
    command = [python, "-m", f"fixtures.services.{name}", *options, *(("--leak", leak) if leak else ())]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=errors, env=clean_environment()
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            errors.seek(0)
            assert line, f"{name} does not start: {errors.read()}"
            ready = json.loads(line)
            pids = tuple(each["pid"] for each in ready.get("instances", [ready]))
            yield Service(name, python, ready["port"], pids, ready.get("redis"))
            process.terminate()
            assert process.wait(_PATIENCE_S) == 0, f"{name} ended with {process.returncode}"
        finally:
            process.kill()
            process.communicate()


def _interpreter() -> Any:
    """The one that runs this, or the newest there is."""
    found = {each.version[:2]: each for each in one_per_version()}
    return found.get(sys.version_info[:2]) or found[max(found)]


def asked(*arguments: object, code: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """The JSON document of a command. AssertionError if it fails."""
    done = leakscope(*arguments, "--json")
    assert done.returncode in code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def snapshots(service: Service, plan: Leak | Sound, rounds: int, folder: Path) -> tuple[list[list[Path]], float]:
    """After the warm-up and after each round one of each process: by process; and the longest pause in ms."""
    rules = ROOT / "fixtures" / "services" / service.name / "leakscope.toml"
    files: list[list[Path]] = [[] for _ in service.pids]
    longest = 0.0
    for number in range(WARMUP + rounds):
        service.load(SESSIONS, plan.mix)
        if number < WARMUP - 1:
            continue
        time.sleep(plan.settle_s)
        for pid, taken in zip(service.pids, files, strict=True):
            taken.append(folder / f"{pid}-{number}.leakscope")
            told = asked("snapshot", pid, "-o", taken[-1], "--rules", rules)
            longest = max(longest, told["snapshot"]["pause_ms"])
    return files, longest


def judge_leak(leak: Leak, rounds: int, folder: Path, leaking: bool = True) -> Judged:
    """Starts the service with the leak, works it, and compares; unless ``leaking``, without it."""
    judged = Judged(leak.id)
    expected = round(leak.per_session * SESSIONS * (rounds + WARMUP))
    with running(leak.service, leak.options, leak.id if leaking else None) as service:
        files, judged.pause_ms = snapshots(service, leak, rounds, folder)
        if leak.rule in IN_THE_STORE:
            _judge_store(leak, service, files[-1][-1], expected, judged)
            return judged
    _judge_suspects(leak, files[-1], judged)
    _judge_chain(leak, files[-1][-1], expected, judged)
    _judge_state(leak, files[-1][-1], expected, judged)
    _judge_gate(leak, files[-1], judged)
    return judged


def _judge_suspects(leak: Leak, files: list[Path], judged: Judged) -> None:
    suspects = asked("suspects", *files, "--limit", 20)["suspects"]
    fits = [each["rank"] for each in suspects if re.search(leak.holder, each["chain"])]
    judged.rank = min(fits, default=None)
    if judged.rank != 1:
        judged.wrong.append(f"first suspect: {suspects[0]['chain'] if suspects else 'none'}")


def _judge_chain(leak: Leak, file: Path, expected: int, judged: Judged) -> None:
    """All instances that leak are held in the expected way, and they are as many as expected."""
    clusters = asked("chains", file, "--class", leak.class_)["clusters"]
    right = [each for each in clusters if re.search(leak.holder, each["text"])]
    judged.chain = bool(right)
    judged.count = sum(each["count"] for each in right) == expected
    if not judged.chain:
        judged.wrong.append(f"chains: {[each['text'] for each in clusters][:3]}")
    elif not judged.count:
        counts = [each["count"] for each in clusters]
        judged.wrong.append(f"count {counts} where {expected} was expected")


def _judge_state(leak: Leak, file: Path, expected: int, judged: Judged) -> None:
    """As many as expected are in the state that the leak leaves them in, and no age is older than the run."""
    if leak.state is None:
        judged.state = True
        return
    told = asked("sessions", file, "--class", leak.class_, "--limit", 10_000)
    states = [item["state"] for item in told["items"]]
    ages = [item["age_s"] for item in told["items"] if item["age_s"] is not None]
    judged.state = states.count(leak.state) == expected and all(0 <= age < 600 for age in ages)
    if not judged.state:
        counts = {state: states.count(state) for state in set(states)}
        judged.wrong.append(
            f"states {counts} where {expected} x {leak.state} was expected, oldest {max(ages, default=0)}"
        )


def _judge_gate(leak: Leak, files: list[Path], judged: Judged) -> None:
    told = asked("gate", *files, "--ended", code=(0, 1))
    named = {each["rule"] for each in told["violations"] if re.search(leak.holder, each["chain"] or "")}
    judged.gate = told["verdict"]
    if told["verdict"] != "fail" or leak.rule not in named:
        judged.wrong.append(f"gate: {told['verdict']}, rules {sorted(named)} where {leak.rule} was expected")


def _judge_store(leak: Leak, service: Service, file: Path, expected: int, judged: Judged) -> None:
    """Keys that never expire, or copies that are gone from the store: as many as expected."""
    told = asked("store", service.redis, "--snapshot", file, "--fail", code=(0, 1))
    chains = [each["text"] for each in told["clusters"]]
    right = [rank for rank, chain in enumerate(chains, start=1) if re.search(leak.holder, chain)]
    if leak.rule == "keys":
        count = sum(row["no_expiry"] for row in told["keys"]["types"])
        judged.rank = 1 if count else None
    else:
        count = sum(row["gone"] for row in told["copies"] if row["class"] == leak.class_)
        judged.rank = min(right, default=None)
    judged.chain, judged.count, judged.state = judged.rank == 1, count == expected, True
    judged.gate = "fail" if told["keys"]["flagged"] or told["gone"] else "pass"
    if not (judged.chain and judged.count):
        judged.wrong.append(f"{leak.rule}: {count} where {expected} was expected; chains: {chains}")


def judge_sound(sound: Sound, rounds: int, folder: Path, under_load: bool = False) -> Judged:
    """Starts the service without a leak; ``under_load``: another load goes on while it is looked at."""
    judged = Judged(f"{sound.service}, sound{' under load' if under_load else ''}", chain=True, count=True, state=True)
    with running(sound.service, sound.options) as service:
        with _busy(service) if under_load else contextlib.nullcontext():
            files, judged.pause_ms = snapshots(service, sound, rounds, folder)
        if service.redis:
            told = asked("store", service.redis)
            if told["keys"]["flagged"]:
                judged.wrong.append(f"store: {told['keys']['flagged']} keys flagged")
    verdicts = []
    for taken in files:
        suspects = asked("suspects", *taken)["suspects"]
        judged.wrong += [f"suspect: {each['count']} x {each['class']} {each['chain']}" for each in suspects]
        told = asked("gate", *taken, code=(0, 1))
        verdicts.append(told["verdict"])
        judged.wrong += [f"gate: {each['message']} {each['chain']}" for each in told["violations"]]
    judged.gate = "pass" if set(verdicts) == {"pass"} else "fail"
    return judged


@contextlib.contextmanager
def _busy(service: Service) -> Iterator[None]:
    """Another load, from beginning to end of the block."""
    program = "import sys, subprocess\nwhile not subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL): pass"
    load = [str(service.python), "-m", "fixtures.services.load", service.name, str(service.port)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *load, "--mix", "good", "--sessions", "20", "--at-once", "2"],
        cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        time.sleep(1)


def table(rows: Sequence[Judged]) -> str:
    """Markdown."""
    lines = ["| leak | rank | chain | count | state | gate | pause |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        rank = "" if "sound" in row.name and row.rank is None else str(row.rank or "not found")
        marks = " | ".join("right" if each else "WRONG" for each in (row.chain, row.count, row.state))
        lines.append(f"| {row.name} | {rank} | {marks} | {row.gate} | {row.pause_ms:.1f} ms |")
    return "\n".join(lines)


def main() -> int:
    """Judges all, or those that are named."""
    parser = argparse.ArgumentParser(description="Does leakscope tell leaking services from sound ones?")
    parser.add_argument("ids", nargs="*", metavar="ID", help="leaks, or services for their sound form; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sound-rounds", type=int, default=10)
    options = parser.parse_args()
    rows: list[Judged] = []
    jobs: list[tuple[str, Any]] = [
        *((leak.id, lambda folder, leak=leak: judge_leak(leak, options.rounds, folder)) for leak in LEAKS),
        *((each.service, lambda folder, each=each: judge_sound(each, options.sound_rounds, folder)) for each in SOUND),
        *(
            (each.service, lambda folder, each=each: judge_sound(each, options.rounds, folder, under_load=True))
            for each in SOUND
        ),
    ]
    for name, job in jobs:
        if options.ids and name not in options.ids:
            continue
        with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
            try:
                rows.append(job(Path(folder)))
            except AssertionError as error:
                rows.append(Judged(name, wrong=[str(error).strip()]))
        sys.stderr.write(f"{rows[-1].name}: {'; '.join(rows[-1].wrong) or 'right'}\n")
    right = [not row.wrong for row in rows]
    sys.stdout.write(f"{table(rows)}\n\n{sum(right)} of {len(rows)} right\n")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
