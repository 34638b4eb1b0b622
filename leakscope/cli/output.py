"""Standard output and standard error: text, documents, progress, and the checks on an output file."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from leakscope.errors import InputError

if TYPE_CHECKING:
    from leakscope.render.screen import Screen

EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended."""
PIPED_WIDTH = 200
"""Without a terminal nobody's screen is narrow: long names stay on one line for grep."""
REDRAW_S = 0.1

Progress = Callable[[str, float], None]


def screen(no_color: bool = False) -> Screen:
    """The reader's screen: ``COLUMNS`` or the terminal's width; colour on a terminal that wants it."""
    from leakscope.render.screen import Screen

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((80 if terminal else PIPED_WIDTH, 24)).columns
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(width=max(width, 40), color=terminal and not plain)


def emit(text: str) -> None:
    """Write to standard output; a reader that went away ends the program without a word."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not fail once more when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_BROKEN_PIPE) from None


def emit_json(document: dict[str, Any]) -> None:
    """One document; ASCII only, so that no name in it can steer a terminal."""
    emit(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


def progress() -> Progress:
    """A one-line display on standard error, silent unless that is a terminal."""
    if not sys.stderr.isatty():
        return lambda _step, _fraction: None
    return _Line().show


def clear_progress() -> None:
    """Wipe the display's line before anything else is written."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Line:
    def __init__(self) -> None:
        self._step = ""
        self._drawn_at = 0.0

    def show(self, step: str, fraction: float) -> None:
        now = time.monotonic()
        if step == self._step and now - self._drawn_at < REDRAW_S:
            return
        self._step, self._drawn_at = step, now
        sys.stderr.write(f"\r\x1b[K{step} {fraction:4.0%}")
        sys.stderr.flush()


def check_writable(path: Path) -> None:
    """Raise ``InputError`` if no file can come to stand at ``path``; asked before a target is stopped."""
    if path.exists() and not path.is_file():
        kind = "a directory" if path.is_dir() else "no regular file"
        raise InputError(f"cannot write {path}: it is {kind}", "Name a file: -o NAME.leakscope")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror} in {path.parent}",
            "Choose a folder that exists and that you may write in: -o /tmp/NAME.leakscope",
        ) from error
