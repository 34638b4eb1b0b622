"""Starts a target of ``fixtures/targets`` and talks to it over its standard streams."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGETS = Path(__file__).resolve().parent.parent.parent / "fixtures" / "targets"
_PATIENCE_S = 60.0


class Target:
    """A running target that is ready. ``facts`` is what it said of itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._unread = b""
        self.facts = self._answer("ready")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def command(self, word: str) -> dict[str, Any]:
        """Sends one line and returns the answer."""
        self._send(word)
        return self._answer(word)

    @contextlib.contextmanager
    def standing_still(self, truth: Path) -> Iterator[None]:
        """Within the block the target is exactly as it described itself in the file ``truth``."""
        self._send(f"truth {truth}")
        self._answer("truth")
        try:
            yield
        finally:
            self._send("go")
            self._answer("go")

    def _send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _answer(self, to: str) -> dict[str, Any]:
        assert self._process.stdout
        while b"\n" not in self._unread:
            if not select.select([self._process.stdout], [], [], _PATIENCE_S)[0]:
                raise TimeoutError(f"the target did not answer {to!r} within {_PATIENCE_S} s")
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise RuntimeError(f"the target ended instead of answering {to!r}")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def running(python: Path, target: str, *arguments: str) -> Iterator[Target]:
    """The target ``fixtures/targets/TARGET.py`` under ``python``, ended when the block is left."""
    command: list[str | Path] = [python, TARGETS / f"{target}.py", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr)
    try:
        yield Target(process)
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.communicate()
