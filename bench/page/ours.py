"""leakscope on the same targets: snapshots in each way of pausing, and every question to their files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.page.peers import Truth, judged, written
from bench.page.rows import Row
from bench.page.target import Target, measured, run_tool
from leakscope.cli.options import Pause

WAYS = ("", *(way.value for way in Pause))
"""Of pausing; the first lets leakscope choose."""
SESSION = "__main__.Session"
HOLDER = "SessionManager.sessions["


def asked(*arguments: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of a command as in ``Row``, and its JSON answer."""
    own, said = run_tool([sys.executable, "-m", "leakscope", *map(str, arguments), "--json"])
    answer: dict[str, Any] = json.loads(said[said.index("{") :])
    return own, answer


def name(way: str) -> str:
    """Of the row of a snapshot in this way of pausing."""
    return f"leakscope snapshot --pause {way}" if way else "leakscope snapshot"


def snapshot(target: Target, way: str, file: Path) -> Row:
    """A snapshot file in this way of pausing."""
    option = ("--pause", way) if way else ()
    with measured(target) as figures:
        own, answer = asked("snapshot", target.pid, *option, "-o", file)
    facts = answer["snapshot"]
    return Row(
        name(way),
        **own,
        **figures,
        output=written(file.parent),
        answer=_described(facts, way),
        pause_ms=facts["pause_ms"],
        copied=facts["copied_bytes"],
        objects=facts["objects"],
    )


def _described(facts: dict[str, Any], way: str) -> str:
    fallen_back = "" if facts["strategy"] == way else f", by {facts['strategy']}"
    copied = f"{facts['copied_bytes'] / 1e6:.0f} MB read, paused {facts['pause_ms']:.1f} ms by its own account"
    return f"{facts['objects']:,} objects, {copied}{fallen_back}"


def direct(target: Target, truth: Truth) -> Row:
    """The sessions of the process itself, without a file."""
    with measured(target) as figures:
        own, answer = asked("sessions", target.pid)
    return Row("leakscope sessions PID", **own, **figures, **_counted(answer, truth))


def questions(file: Path, truth: Truth, holder: str = HOLDER) -> list[Row]:
    """Everything that is asked of a snapshot whose sessions are in ``holder``."""
    own, answer = asked("sessions", file)
    rows = [Row("leakscope sessions FILE", **own, **_counted(answer, truth))]
    own, answer = asked("chains", file)
    clusters = [each for each in answer["clusters"] if each["class"] == SESSION]
    held = sum(each["count"] for each in clusters)
    right = held == truth.sessions and all(holder in each["text"] for each in clusters)
    said = f"{held:,} sessions, {'held by the dict' if right else 'of other holders'}"
    rows.append(Row("leakscope chains FILE", **own, answer=said, right=right))
    own, _ = asked("top", file)
    rows.append(Row("leakscope top FILE", **own, answer="retained sizes of every class"))
    if not truth.address:
        return rows
    own, answer = asked("chains", file, "--at", hex(truth.address))
    said, right = judged({"retained": answer["clusters"][0]["retained_bytes"]}, truth)
    rows.append(Row("leakscope chains --at DICT", **own, answer=said, right=right))
    return rows


def _counted(answer: dict[str, Any], truth: Truth) -> dict[str, Any]:
    found = sum(each["count"] for each in answer["classes"] if each["class"] == SESSION)
    said, right = judged({"sessions": found}, truth)
    return {"answer": said, "right": right}
