"""A service that leakscope starts for a gate: started, waited for, driven by a command, and always stopped whole."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator
from typing import IO

import psutil

from leakscope.errors import AttachError, UsageError
from leakscope.target.processes import why_not
from leakscope.target.runtimes import Cache, identify

STOP_LIMIT_S = 10.0
"""From SIGTERM to SIGKILL."""
_TAIL_LINES = 20
_POLL_S = 0.05


class Service:
    """A command in a session of its own, with every process that comes of it. Use ``started``."""

    def __init__(self, command: str, ready: str | None) -> None:
        self.command = command
        self._ready = ready
        self._expected = _pattern(ready)
        self._seen = False
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._known: dict[int, psutil.Process] = {}
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
        self._guard = _guard(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="service output", daemon=True)
        self._reader.start()

    def wait_ready(self, limit_s: float) -> None:
        """Until its output matches the regular expression ``ready``, or the URL ``ready`` answers.

        Without either: until a process that can be read runs. AttachError if that does not happen in time.
        """
        end = time.monotonic() + limit_s
        while not self._is_ready():
            self.require_running("before it was ready")
            if time.monotonic() > end:
                raise AttachError(
                    f"the service is not ready after {limit_s:g} s: {self.command}{self._last_words()}",
                    "Check --ready (a regular expression over its output, or a URL), or give it more --ready-timeout.",
                )
            time.sleep(_POLL_S)

    def readable(self) -> list[int]:
        """PIDs of its processes whose heap can be had, ascending; AttachError if there are none.

        Its Pythons; where it has none, its JVMs and Nodes, which write dumps of themselves.
        """
        cache: Cache = {}
        pythons, others, reasons = [], [], []
        for process in self._tree():
            with contextlib.suppress(AttachError):
                identity = identify(process.pid, cache)
                if identity.reason is None:
                    pythons.append(process.pid)
                elif identity.runtime == "cpython":
                    reasons.append(identity.reason)
                elif why_not(identity) is None:
                    others.append(process.pid)
        found = pythons or others
        if not found:
            self.require_running("and cannot be measured")
            why = f": {reasons[0]}" if reasons else ""
            raise AttachError(
                f"no process of the service is one that leakscope can read{why}",
                "leakscope ps shows what can be read. Is --run the command that starts the service?",
            )
        return sorted(found)

    def require_running(self, when: str) -> None:
        """AttachError if it has ended."""
        code = self._process.poll()
        if code is not None and not any(process.is_running() for process in self._tree()):
            raise AttachError(
                f"the service ended with exit code {code} {when}: {self.command}{self._last_words()}",
                "Run the command by hand; it must stay in the foreground.",
            )

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to what is left; returns when no process of it lives."""
        self._guard.kill()
        self._guard.communicate()
        everybody = self._tree()
        for process in everybody:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(everybody, timeout=STOP_LIMIT_S)
        left = {*alive, *self._tree()}
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=STOP_LIMIT_S)
        self._process.wait()
        self._reader.join(1.0)
        if not self._reader.is_alive() and self._process.stdout is not None:
            self._process.stdout.close()

    def _tree(self) -> list[psutil.Process]:
        """Its living processes; those once seen stay known when their parent has ended."""
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                self._known.setdefault(process.pid, process)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid not in self._known and os.getsid(process.pid) == self._process.pid:
                    self._known[process.pid] = process
        self._known = {
            pid: process for pid, process in self._known.items() if process.is_running() and not _is_zombie(process)
        }
        return list(self._known.values())

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout:
                self._tail.append(line.rstrip("\n"))
                if self._expected is not None and self._expected.search(line):
                    self._seen = True

    def _is_ready(self) -> bool:
        if self._ready is None:
            with contextlib.suppress(AttachError):
                return bool(self.readable())
            return False
        return self._seen if self._expected else _answers(self._ready)

    def _last_words(self) -> str:
        lines = [line for line in list(self._tail) if line.strip()]
        return f" (it said: {lines[-1][:200]})" if lines else ""


def _guard(group: int) -> subprocess.Popen[bytes]:
    """Ends the process group when leakscope is gone without a word (SIGKILL): its standard input ends then."""
    script = f"read _; kill -TERM -{group}; sleep {STOP_LIMIT_S:g}; kill -KILL -{group}"
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextlib.contextmanager
def started(command: str, ready: str | None, limit_s: float) -> Iterator[Service]:
    """The service, ready; none of its processes lives when the block is left, however that happens.

    ``ready``: an http URL, or a regular expression over its output (UsageError if it is none).
    """
    service = Service(command, ready)
    try:
        service.wait_ready(limit_s)
        yield service
    finally:
        service.stop()


def run_step(command: str, environment: dict[str, str], limit_s: float) -> None:
    """One round of work, in a session of its own; UsageError if it fails or takes longer than ``limit_s``."""
    with tempfile.TemporaryFile() as output:  # no pipe: a child that the step leaves behind would keep it open
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"the step command has not ended after {limit_s:g} s: {command}", "Give it more with --step-timeout."
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code:
            raise UsageError(
                f"the step command failed with exit code {code}: {command}{_last_line(output)}",
                "Run it by hand against the service; a step is one round of work and ends with 0.",
            )


def _last_line(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
    lines = output.read().decode(errors="backslashreplace").strip().splitlines()
    return f" (it said: {lines[-1][:200]})" if lines else ""


def _is_url(ready: str | None) -> bool:
    return ready is not None and ready.startswith(("http://", "https://"))


def _pattern(ready: str | None) -> re.Pattern[str] | None:
    if ready is None or _is_url(ready):
        return None
    try:
        return re.compile(ready)
    except re.error as error:
        raise UsageError(f"--ready {ready!r} is no regular expression: {error}", "Or give a URL: http://...") from None


def _answers(url: str) -> bool:
    """Whether anything below 500 comes back: a health page behind a login is as good."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
