"""One attach: leakscope as a process of its own, let finish or killed at a random moment."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fixtures.commands import clean_environment, command
from leakscope.formats.leakscope_file import load
from leakscope.graph.kinds import Node

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LIMIT_S = 120.0
SESSION = "__main__.Session"


@dataclass(frozen=True)
class Attack:
    """What became of it."""

    took_s: float
    killed: bool
    """It did not get to its end."""
    pause_ms: float = 0.0
    strategy: str = ""
    """In which way it was paused in the end."""
    wrong: str = ""


def attack(pid: int, pause: str, folder: Path, kill_after_s: float | None, dice: Random, sessions: int) -> Attack:
    """Takes a snapshot in the way of ``pause`` with everything temporary in ``folder``, which is empty afterwards."""
    file = folder / "out" / "x.leakscope"
    (folder / "tmp").mkdir(exist_ok=True, parents=True)
    file.parent.mkdir(exist_ok=True)
    environment = {**clean_environment(), "TMPDIR": str(folder / "tmp")}
    arguments = command("snapshot", pid, "-o", file, "--pause", pause, "--json")
    began = time.monotonic()
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
    ) as process:
        killed = _kill_later(process, kill_after_s, dice)
        try:
            said, complaint = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return Attack(time.monotonic() - began, True, wrong=f"leakscope hung for {LIMIT_S:.0f} s")
    took_s = time.monotonic() - began
    wrong, facts = "", {}
    if process.returncode == 0:
        facts = json.loads(said)["snapshot"]
        wrong = "" if pause == "none" else _wrong_snapshot(file, sessions)
    elif not killed:
        wrong = f"leakscope ended with {process.returncode}: {complaint.strip()}"
    elif process.returncode not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130):
        wrong = f"leakscope, killed, ended with {process.returncode}: {complaint.strip()}"
    wrong = wrong or _leftovers(folder, file, whole=process.returncode == 0)
    return Attack(took_s, process.returncode != 0, facts.get("pause_ms", 0.0), facts.get("strategy", ""), wrong)


def _kill_later(process: subprocess.Popen[str], after_s: float | None, dice: Random) -> bool:
    """Whether it got a signal."""
    if after_s is None:
        return False
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(dice.choice(SIGNALS))
        return True
    return False


def _wrong_snapshot(file: Path, sessions: int) -> str:
    graph = load(file)
    row = graph.types.name.index(SESSION)
    found = int(((graph.type == row) & (graph.flags & Node.GARBAGE == 0)).sum())
    # One may be on its way out of the store and in again, held by the frame alone: that is alive as well.
    return "" if found == sessions else f"the snapshot shows {found} sessions, not {sessions}"


def _leftovers(folder: Path, file: Path, whole: bool) -> str:
    """Files that should not be there; whatever is there goes."""
    found = [path for path in folder.rglob("*") if not path.is_dir()]
    for path in found:
        path.unlink()
    if whole and file not in found:
        return "no snapshot was written"
    left = [str(path.relative_to(folder)) for path in found if path != file]
    return f"files were left: {', '.join(left)}" if left else ""


def reap_strangers() -> None:
    """Makes this process the parent of whatever its children leave behind, so that it can be seen."""
    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
