"""A small process beside leakscope that takes the frozen child away should leakscope be killed while it reads it.

It has a session of its own and ignores the signals of a terminal, so that what ends leakscope does not end it. The
kernel kills the child together with leakscope; the guard is for what is left of it in the target's list of children.
It is started before the target is stopped, and imports nothing but the standard library, ptrace and ``/proc``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from leakscope.target.fork_chain import Gadgets
from leakscope.target.fork_reap import FrozenChild, reap

_READY = b"ready\n"
_DONE = "done"
_GUARD_S = 600.0
_LEAVE_S = 5.0
_START = "import sys; sys.path.insert(0, sys.argv[1]); from leakscope.target.fork_guard import main; main()"


class Guard:
    """Leakscope's end: told of the child before the target runs on, dismissed when nothing is left of it."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever it has been told and is not ``done``, the guard sees to when its input ends."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_S)

    def is_ready(self) -> bool:
        """Waits until it has loaded all that it needs; False if it could not."""
        assert self._process.stdout is not None
        return self._process.stdout.readline() == _READY

    def watch(self, child: FrozenChild, gadgets: Gadgets) -> None:
        """From now on ``child`` is taken away when leakscope dies; OSError if the guard is dead itself."""
        words = (child.pid, child.started, child.inside, child.target, gadgets.syscall, gadgets.sigreturn)
        self._say(json.dumps(words))

    def done(self) -> None:
        """Nothing is left of the child."""
        with suppress(OSError):
            self._say(_DONE)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


def main() -> None:
    """The guard's: waits for the end of its input."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(each, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-1000")  # needs CAP_SYS_RESOURCE
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    lines = sys.stdin.read().splitlines()
    if lines and lines[-1] != _DONE:
        pid, started, inside, target, syscall, sigreturn = json.loads(lines[0])
        reap(FrozenChild(pid, started, inside, target), Gadgets(syscall, sigreturn), _GUARD_S, lambda step: None)
