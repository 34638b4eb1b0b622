"""What must not happen, on purpose: shows that the fuzzer sees it."""

from __future__ import annotations

import ctypes
import time
from random import Random

from leakscope.errors import InputError

NAMES = ("fine", "refused", "wordless", "escape", "crash", "hang", "spin", "memory")


class Traps:
    """The input is what to do wrong."""

    def make(self, dice: Random) -> str:
        return dice.choice(NAMES)

    def run(self, made: str) -> None:
        if made == "refused":
            raise InputError("no", "try again")
        if made == "wordless":
            raise InputError("two\nlines")
        if made == "escape":
            raise KeyError("not one of ours")
        if made == "crash":
            ctypes.string_at(8)
        if made == "hang":
            time.sleep(600)
        while made == "spin":
            pass
        if made == "memory":
            bytearray(1 << 40)

    def encode(self, made: str) -> bytes:
        return made.encode()

    def decode(self, raw: bytes) -> str:
        return raw.decode()
