"""Copies of a process that changes its memory as fast as it can, taken without stopping it (``--pause none``).

No two are alike: the input is a number that means nothing. Each image lies in ``.cache/fuzz`` while it is read, and
stays there if something escapes, whatever becomes of this process.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from random import Random

from leakscope.errors import LeakscopeError
from leakscope.target.attach import capture
from tests.cache import cache_folder
from tests.fuzz.examine import all_rules, ask_all, read_all, short_rules
from tests.fuzz.seeds import FOLDER, save_image

PROGRAM = FOLDER / "busy_program.py"
_THOROUGH_EVERY = 4


class Torn:
    """Starts the busy program with the first input."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def make(self, dice: Random) -> int:
        return dice.randrange(1 << 30)

    def run(self, made: int) -> None:
        image = capture(self._pid(), pause="none")
        kept = cache_folder() / "fuzz" / f"torn-{os.getpid()}-{made}.npz"
        kept.parent.mkdir(exist_ok=True)
        save_image(image, {0: bytes(64)}, kept, compress=False)
        thorough = made % _THOROUGH_EVERY == 0
        try:
            ask_all(read_all(image, all_rules() if thorough else short_rules()), thorough)
        except LeakscopeError:
            kept.unlink()
            raise
        kept.unlink()

    def _pid(self) -> int:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            atexit.register(self._process.kill)
            assert self._process.stdout is not None
            self._process.stdout.readline()
        return self._process.pid

    def encode(self, made: int) -> bytes:
        return b""

    def decode(self, raw: bytes) -> int:
        return 0
