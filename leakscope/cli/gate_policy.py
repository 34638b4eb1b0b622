"""The gate's limits: those of the project's file, and over them those of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.gate.policy import Policy

_SIZES = "retained"
_PATTERNS = {"sessions": "--max-sessions", "retained": "--max-retained", "containers": "--max-container"}
_SECONDS = ("age", "idle")


def project_policy(**flags: Any) -> Policy:
    """The policy that holds in the current folder; flags that are None were not given.

    UsageError for a limit that makes no sense, InputError for a project file that cannot be read.
    """
    import dataclasses

    from leakscope.gate.policy import policy_of
    from leakscope.sessions.load import project_table

    found = project_table("gate", Path.cwd())
    policy = policy_of(*found) if found else policy_of({}, "")
    given = {name: value for name, value in flags.items() if value is not None}
    seconds = {name: given.pop(name) for name in _SECONDS if name in given}
    for name, option in _PATTERNS.items():
        if name in given:
            given[name] = {**getattr(policy, name), **_pairs(given[name], option, sizes=name == _SIZES)}
    return dataclasses.replace(policy_of(given, "command line", policy), **seconds)


def _pairs(given: Sequence[str], option: str, sizes: bool) -> dict[str, int | str]:
    """``GLOB=LIMIT`` -> limits by pattern; sizes stay texts such as ``50 MiB``."""
    limits: dict[str, int | str] = {}
    for text in given:
        pattern, equals, limit = text.rpartition("=")
        if not equals or not pattern or not (sizes or limit.isdigit()):
            raise UsageError(f"{option} {text!r} is no PATTERN=LIMIT", f"For example {option} 'app.*Session=100'.")
        limits[pattern] = int(limit) if limit.isdigit() else limit
    return limits
