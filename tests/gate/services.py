"""Ten leaking and ten sound services of ``fixtures/targets``, each judged by the real ``leakscope gate --run``.

The service is driven by shell alone, so that it is the only Python of its process group.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fixtures.commands import leakscope
from leakscope.errors import EXIT_CLEAN, EXIT_FLAGGED
from tests.interpreters import Interpreter
from tests.suspects.programs import TARGETS, Expected, Program, programs

LEAKS = (
    "flask_requests",
    "lru_method",
    "pending_tasks",
    "runtime_classes",
    "scoped_session",
    "slow_in_noise",
    "sqlalchemy_pool",
    "starlette_sockets",
    "threads_waiting",
    "tracker_attribute",
)
SOUND = (
    "asyncio_tasks",
    "churn_heavy",
    "flask_steady",
    "lazy_imports",
    "lru_filling",
    "pool_growing",
    "pool_sqlalchemy",
    "starlette_steady",
    "templates_compiled",
    "thread_pool",
)
_UNITS = 40
_GATE = ("--rounds", 4, "--warmup", 1, "--settle", "300ms", "--retry-after", "1s")


@dataclass(frozen=True)
class Outcome:
    """What the gate said of a service, and whether that is true."""

    right: bool
    """It failed for a leak, and for nothing else, or passed for none."""
    holder_right: bool
    """Of a leaking service: the violation names class and holder as its author would. Of a sound one: ``right``."""
    said: str
    """For a reader who wonders why."""


def services() -> list[Program]:
    """All twenty, the leaking ones first."""
    by_name = {program.name: program for folder in ("leaks", "sound") for program in programs(folder)}
    return [by_name[f"leaks/{name}"] for name in LEAKS] + [by_name[f"sound/{name}"] for name in SOUND]


def judged(program: Program, interpreter: Interpreter) -> Outcome:
    """One gate on one service."""
    with tempfile.TemporaryDirectory(prefix="leakscope-gate-") as name:
        folder = Path(name)
        os.mkfifo(folder / "in")
        service = shlex.join([str(program.python(interpreter)), str(program.path)])
        variables = f"PYTHONPATH={shlex.quote(str(TARGETS))} PYTHONDONTWRITEBYTECODE=1"
        done = leakscope(
            *("gate", "--run", f"{variables} {service} <>in | tee out", "--ready", '"ready": true'),
            *("--step", shlex.join([str(TARGETS / "one_round.sh"), ".", str(_UNITS)]), *_GATE, "--json"),
            cwd=folder,
        )
    if done.returncode not in (EXIT_CLEAN, EXIT_FLAGGED):
        return Outcome(False, False, f"exit code {done.returncode}: {done.stderr}")
    return outcome(json.loads(done.stdout), program.expected)


def outcome(document: dict[str, Any], expected: Expected | None) -> Outcome:
    """A verdict beside the truth; one leak is one violation."""
    found = document["violations"]
    said = "; ".join(f"{leak['message']} ({leak['chain']}: {', '.join(leak['evidence'])})" for leak in found) or "pass"
    passed = document["verdict"] == "pass"
    if expected is None:
        return Outcome(passed, passed, said)
    named = [names(leak, expected) for leak in found]
    return Outcome(not passed and all(named), any(named), said)


def names(leak: dict[str, Any], expected: Expected) -> bool:
    """Whether a violation names the class, and message or chain the holder."""
    told = (leak["message"], leak["chain"] or "")
    return any(fnmatchcase(leak["class"] or "", glob) for glob in expected.classes) and any(
        re.search(expected.holder, text) for text in told
    )
