"""What a rule says: which objects are sessions of one kind, and where their facts are. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

CATEGORIES = ("session", "connection", "request", "task", "resource")
"""``sessions`` lists the first three by itself; tasks and resources (threads, files, processes) when asked."""

CLOCKS = ("auto", "epoch", "monotonic", "loop", "perf")
UNITS = ("auto", "s", "ms", "us", "ns")
ZONES = ("auto", "utc", "local")
RUNTIMES = ("any", "python", "jvm", "v8")
"""Whose heaps a rule is asked about."""


@dataclass(frozen=True)
class Field:
    """One place where a fact may be; several are tried in order, the first that holds a value counts."""

    path: str | None
    """``a.b['key'].c``: attributes, ``['text']`` for a dict's entry, ``[0]`` for a position, ``()`` for what a
    weak reference still refers to, ``@fd`` for a number that C code keeps. None: ``constant`` is meant."""
    constant: float | None = None
    """Seconds, for a time to live that is the same for all."""
    clock: str = "auto"
    """Whose time a number is: one of ``CLOCKS``."""
    unit: str = "auto"
    zone: str = "auto"
    """What a naive datetime means."""


@dataclass(frozen=True)
class Lends:
    """Where a pool says what it has lent out: sums such as ``_size - _idle@len``; the first that is known counts."""

    taken: tuple[str, ...]
    idle: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()
    """The most that it lends at a time; below 0: no limit."""


@dataclass(frozen=True)
class Rule:
    """One kind of session. Conditions are expressions, see ``conditions.py``; "" never holds."""

    name: str
    """Unique among all rules: a later source that says the same name replaces nothing, the first wins."""
    title: str
    source: str
    """Where it was read: ``catalogue``, a file, a plug-in; shown by ``leakscope rules``."""
    classes: tuple[str, ...] = ()
    """Globs over ``module.QualName``; subclasses are included."""
    not_classes: tuple[str, ...] = ()
    """Globs of classes that are no such sessions although a base is; their subclasses neither."""
    keys: tuple[str, ...] = ()
    """Instead of ``classes``: dicts that have all these keys."""
    runtime: str = "any"
    """One of ``RUNTIMES``: other heaps may have classes of the same name."""
    category: str = "session"
    when: str = ""
    """Only objects for which this holds are sessions at all; "" all."""
    id: tuple[Field, ...] = ()
    created: tuple[Field, ...] = ()
    used: tuple[Field, ...] = ()
    expires: tuple[Field, ...] = ()
    ttl: tuple[Field, ...] = ()
    ttl_from: str = "created"
    """``created`` or ``used``: from when the time to live counts."""
    state: tuple[Field, ...] = ()
    states: tuple[tuple[str, str], ...] = ()
    """What values of the state field mean: ``("1", "open")``; others are shown as they are if they are names."""
    closed: str = ""
    closing: str = ""
    healthy: str = ""
    """Meant to live on (pooled and idle, one client for the process): never a suspect for being alive."""
    heartbeat: tuple[Field, ...] = ()
    heartbeat_timeout: float | None = None
    """Seconds after which a silent holder is dead."""
    registry: str = ""
    """``module:attribute.path`` of the container that should have it as long as it lives."""
    part_of: tuple[str, ...] = ()
    """Globs of the classes that own such an object: it is a part of them, not a leak of its own, where one does."""
    lends: Lends | None = None
    """It is a pool."""
    lent_by: str = ""
    """Path to the pool that has lent it out, which leads nowhere else when it is given back; "" for none."""
    guess: bool = False
    """True for the rule of names: shown as a guess."""
    remedy: str = ""
    """What to do about one that is not closed: a sentence."""
    link: str = ""
    """Of the library's documentation."""
