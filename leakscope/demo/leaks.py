"""The five leaks of the bundled service, as data for the guided tour and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SERVICE = Path(__file__).with_name("service.py")
CLIENT = Path(__file__).with_name("client.py")
LEAKING_CLASS = "__main__.ChatSession"


@dataclass(frozen=True)
class Leak:
    """One way in which the service keeps sessions that are over."""

    marker: str
    """Stands behind ``# LEAK`` on the line that leaks."""
    holder: str
    """A name that every chain of this leak shows."""
    story: str


LEAKS = (
    Leak("class-dict", "by_id", "A dict on a class caches every session by id and is never cleared."),
    Leak(
        "pending-task",
        "REMINDERS",
        "A task sleeps for an hour with the session in a local variable of its frame.",
    ),
    Leak(
        "thread-frame",
        "batch",
        "A thread collects sessions in a local list until a batch is full, which takes days.",
    ),
    Leak(
        "listener",
        "listeners",
        "A closure registered as a listener holds the session in a cell and is never removed.",
    ),
    Leak("lru-cache", "summary", "lru_cache keeps the arguments of every call, and a session is the argument."),
)


def line_of(leak: Leak) -> int:
    """The number of the line in ``SERVICE`` that leaks."""
    for number, line in enumerate(SERVICE.read_text(encoding="utf-8").splitlines(), start=1):
        if line.endswith(f"# LEAK {leak.marker}"):
            return number
    raise LookupError(leak.marker)
