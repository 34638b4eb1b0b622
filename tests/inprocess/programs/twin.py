"""Holds objects in many ways, saves its own heap to the file it is told, and waits to be read from outside."""

from __future__ import annotations

import collections
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from leakscope.formats.leakscope_file import save
from leakscope.inprocess.heap import snapshot


class Held:
    """What chains are asked for; one subclass for each way to be held."""


def way(name: str) -> Held:
    """An object of a class of its own, so that it is found again in both graphs."""
    made: Held = type(name, (Held,), {"__module__": __name__})()
    return made


class Box:
    registry: ClassVar[dict[str, Held]] = {"key": way("ByClass")}

    def __init__(self) -> None:
        self.inner = way("ByAttribute")
        self.many = [None, way("ByIndex")]


class Slotted:
    __slots__ = ("inner",)

    def __init__(self) -> None:
        self.inner = way("BySlot")


def closing() -> Callable[[], Held]:
    kept = way("ByCell")
    return lambda: kept


def generate() -> Iterator[None]:
    in_generator = way("ByGenerator")
    yield
    del in_generator


def work(ready: threading.Event, end: threading.Event) -> None:
    in_thread = way("ByThread")
    ready.set()
    end.wait()
    del in_thread


BOX, SLOTTED, FUNCTION, GENERATOR = Box(), Slotted(), closing(), generate()
PARTIAL = functools.partial(print, way("ByPartial"))
QUEUE = collections.deque([way("ByDeque")])
SET = {way("BySet")}
ERRORS: list[Exception] = []
next(GENERATOR)


def failing() -> None:
    in_error = way("ByError")
    raise ValueError(len(vars(in_error)))


if __name__ == "__main__":
    try:
        failing()
    except ValueError as error:
        ERRORS.append(error)
    ready, end = threading.Event(), threading.Event()
    threading.Thread(target=work, args=(ready, end), daemon=True, name="worker").start()
    ready.wait()
    save(snapshot(), Path(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
