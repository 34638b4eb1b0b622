"""``no_leaks``: a block of code whose objects should be gone afterwards; ``LeakError`` names what holds them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from leakscope.inprocess.watch import Limits, Watch

_FIRST_PAUSE_S = 0.01


class LeakError(AssertionError):
    """Objects stay alive that should be gone; the text says which, how many, and who holds them."""


class no_leaks:  # noqa: N801 - reads like a statement: with no_leaks(): ...
    """``with no_leaks(): ...`` raises LeakError if sessions that the block makes stay alive behind it.

    ``classes``: globs (``"app.*Session"``) of classes that count as sessions, besides those that leakscope's rules
    or their names call so. ``sessions``: how many may stay of each round. ``growth``: how many objects of your own
    classes may stay; None does not look at them. ``rounds``: how often the block does its work; of what is no
    leak but warm-up or a cache, fewer objects stay than that. ``grace``: seconds that work in flight has to end.

    What a variable of the code around was set to in the block is still in use and not blamed; nothing is if the
    block raises. Works as ``async with`` too, and lets tasks run in its grace. Objects that the collector does
    not track are not seen.
    """

    def __init__(
        self, *classes: str, sessions: int = 0, growth: int | None = None, rounds: int = 1, grace: float = 1.0
    ) -> None:
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"rounds is how often the block does its work: 1 or more, not {rounds!r}")
        self._limits = Limits(classes, sessions, growth)
        self._rounds = rounds
        self._grace = grace
        self._watch: Watch | None = None

    def __enter__(self) -> None:
        self._watch = Watch()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True  # pytest ends its traceback at the with statement
        if kind is None:
            for pause in self._looks():
                time.sleep(pause)

    async def __aenter__(self) -> None:
        self._watch = Watch()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True  # pytest ends its traceback at the with statement
        if kind is None:
            for pause in self._looks():
                await _sleep(pause)

    def _looks(self) -> Iterator[float]:
        """Pauses to make as long as something is over the limits; LeakError if it still is in the end."""
        __tracebackhide__ = True
        watch, self._watch = self._watch, None
        if watch is None:
            raise RuntimeError("no_leaks is left before it is entered")
        watch.count()
        yield from pauses(watch, self._limits, self._grace, self._rounds)
        found = watch.over(self._limits, self._rounds)
        if not found:
            return
        from leakscope.inprocess.blame import blame  # numpy and the analyses, for those who need them

        said = blame(watch, found, self._limits, self._rounds)
        if said is not None:
            raise LeakError(said)


def pauses(watch: Watch, limits: Limits, grace: float, rounds_in_one: int = 1) -> Iterator[float]:
    """Seconds to wait, ever longer, until nothing is over ``limits`` or ``grace`` seconds have gone."""
    pause = _FIRST_PAUSE_S
    end = time.monotonic() + grace
    while watch.over(limits, rounds_in_one) and time.monotonic() < end:
        yield min(pause, max(0.0, end - time.monotonic()))
        pause *= 2
        watch.recount()


async def _sleep(pause: float) -> None:
    """Lets the tasks of whatever runs this coroutine go on."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await sys.modules["trio"].sleep(pause)  # the other library whose coroutines can be awaited here
    else:
        await asyncio.sleep(pause)
