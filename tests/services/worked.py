"""A service at work: started, given equal rounds of load, and looked at from outside after each."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.commands import ROOT, clean_environment, leakscope
from fixtures.services.expected import Leak, Sound
from tests.catalogue.environments import with_libraries
from tests.interpreters import Interpreter, one_per_version

SESSIONS = 20
"""Of a round."""
GROUPS = {"autoglm": "services", "openziti": "services", "dify_api": "dify", "dify_cluster": "services"}
"""The environment of each service."""
_PATIENCE_S = 60.0
_CORES = 2
_WITH_VERDICT = ("gate", "store")


@dataclass(frozen=True)
class Service:
    """One that has said it is ready."""

    name: str
    python: Path
    port: int
    pids: tuple[int, ...]
    """Of the processes to look at; the last one leaks, if any does."""
    redis: str | None

    def load(self, mix: str) -> tuple[float, float]:
        """One round of work: when it began and ended. AssertionError if an answer is not as expected."""
        command = [str(self.python), "-m", "fixtures.services.load", self.name, str(self.port), "--mix", mix]
        command += ["--sessions", str(SESSIONS), "--at-once", "4"]
        began = time.time()
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, f"{self.name}: {done.stderr}"
        return began, time.time()


@dataclass
class Worked:
    """What a service has done, and what was seen of each of its processes."""

    files: dict[int, list[Path]]
    """Snapshots by PID: one after each round."""
    rounds: list[tuple[float, float]]
    """When each began and ended, in epoch seconds."""
    captured_at: float = 0.0
    """The last snapshot of the last process."""
    pause_ms: float = 0.0
    """The longest."""

    @property
    def last(self) -> list[Path]:
        """The snapshots of the process that leaks, if any does."""
        return list(self.files.values())[-1]


@contextlib.contextmanager
def running(
    name: str, options: Sequence[str] = (), leak: str | None = None, interpreter: Interpreter | None = None
) -> Iterator[Service]:
    """The service, started and always ended. AssertionError if it does not start, or does not end cleanly."""
    python = python_of(name, interpreter)
    command = [str(python), "-m", f"fixtures.services.{name}", *options, *(("--leak", leak) if leak else ())]
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


def python_of(name: str, interpreter: Interpreter | None = None) -> Path:
    """The Python that has what the service needs; of none it is the CPython that runs this, or the newest there is."""
    found = {each.version[:2]: each for each in one_per_version()}
    own = found.get(sys.version_info[:2]) or found[max(found)]
    return with_libraries(interpreter or own, GROUPS[name])


def work(service: Service, plan: Leak | Sound, rounds: int, folder: Path) -> Worked:
    """A round to warm up and ``rounds`` more; after each one snapshot: of a leak, of the process that has it."""
    rules = ROOT / "fixtures" / "services" / service.name / "leakscope.toml"
    pids = service.pids if isinstance(plan, Sound) else service.pids[-1:]
    worked = Worked({pid: [] for pid in pids}, [])
    for number in range(1 + rounds):
        worked.rounds.append(service.load(plan.mix))
        time.sleep(plan.settle_s)
        files = [folder / f"{pid}-{number}.leakscope" for pid in pids]
        commands = [("snapshot", pid, "-o", file, "--rules", rules) for pid, file in zip(pids, files, strict=True)]
        for pid, file, told in zip(pids, files, asked(*commands), strict=True):
            worked.files[pid].append(file)
            worked.captured_at = told["snapshot"]["captured_at"]
            worked.pause_ms = max(worked.pause_ms, told["snapshot"]["pause_ms"])
    return worked


def asked(*commands: tuple[object, ...]) -> list[dict[str, Any]]:
    """The JSON document of each command, which run side by side. AssertionError if one fails, other than by verdict."""

    def ask(command: tuple[object, ...]) -> dict[str, Any]:
        done = leakscope(*command, "--json")
        assert done.returncode == 0 or (done.returncode == 1 and command[0] in _WITH_VERDICT), done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    with ThreadPoolExecutor(_CORES) as pool:
        return list(pool.map(ask, commands))


@contextlib.contextmanager
def busy(service: Service) -> Iterator[None]:
    """Another load, from beginning to end of the block."""
    program = "import sys, subprocess\nwhile not subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL): pass"
    load = [str(service.python), "-m", "fixtures.services.load", service.name, str(service.port)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *load, "--mix", "good", "--sessions", "20", "--at-once", "2"], cwd=ROOT
    )
    try:
        yield
        assert process.poll() is None, f"{service.name}: the other load has ended: an answer was not as expected"
    finally:
        process.terminate()
        process.wait()
        time.sleep(1)
