"""What kind of holder keeps something, read off the chain; and what that holder is called."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import pairwise

from leakscope.analysis.holders import holder_text
from leakscope.findings.model import ChainStep, Cluster

_BY_TYPE: tuple[tuple[str, str], ...] = (
    ("traceback", "exception traceback"),
    ("weakref.finalize*", "finalizer"),
    ("concurrent.futures.*._WorkItem", "executor queue"),
    ("*greenlet*.?reenlet", "greenlet frame"),
    ("*.Task", "pending task"),
    ("*.Future", "pending task"),
    ("*coroutine", "pending task"),
    ("*generator", "suspended generator"),
    ("asyncio.events.TimerHandle", "timer"),
    *((glob, "contextvar") for glob in ("Context", "*contextvars.Context")),
    ("method", "listener list"),
    ("functools.partial*", "listener list"),
    ("asyncio.events.*Handle", "listener list"),
    *((glob, "timer") for glob in ("timers.Timeout", "timers.Immediate")),
    ("Promise", "pending task"),
    ("function", "closure"),
    *((glob, "timer") for glob in ("java.util.TimerTask*", "*$ScheduledFutureTask", "java.util.TaskQueue")),
    ("java.util.concurrent.FutureTask", "executor queue"),
    ("java.util.concurrent.CompletableFuture*", "pending task"),
    *((glob, "listener list") for glob in ("*$$Lambda", "*Listener", "*EventHandler")),
)
"""Globs over the class of a step behind the container: the first that is found says the kind."""

_BY_OWNER: tuple[tuple[str, str], ...] = (
    ("functools._lru_cache_wrapper", "lru_cache"),
    ("*_thread._local*", "thread local"),
    ("sqlalchemy.pool.*", "connection pool"),
    ("*Pool", "connection pool"),
    ("java.lang.ThreadLocal$ThreadLocalMap", "thread local"),
    ("java.util.concurrent.*Executor$*", "executor queue"),
    ("*ClassLoader", "class loader"),
)
"""The same over the classes of all steps: whose container it is."""

_CARRIES = ("method", "function", "functools.partial*", "*.Task", "*.Future", "*coroutine", "*generator", "traceback",
            "frame", "concurrent.futures.*._WorkItem", "weakref.finalize*", "Context", "*contextvars.Context",
            "asyncio.events.*Handle", "cell", "tuple", "Promise", "timers.Timeout", "timers.Immediate",
            "*$$Lambda", "java.util.concurrent.*Future*", "java.lang.Thread",
            "*Error", "*Exception")  # fmt: skip
"""What stands between the holder and what it holds."""

_BY_ROOT = {
    "garbage": "uncollected cycle",
    "frame": "thread frame",
    "c global": "c global",
    "c stack": "thread frame",
    "c code": "c global",
    "thread": "thread local",
}


def kind_of(cluster: Cluster, at: int | None = None) -> str:
    """One of the kinds in ``remedies.toml``. ``at`` as in ``holder_of``."""
    holding = _holding_step(cluster.steps) if at is None else at
    whole = not any(_is_element(step) for step in cluster.steps)
    held = cluster.steps[0 if whole else max(holding - 1, 0) : -1]
    if cluster.root.kind == "garbage":
        return "uncollected cycle"
    if any(step.edge == ".handlers" and fnmatchcase(before.type, "logging.*Logger") for before, step in pairwise(held)):
        return "logging handler"
    if any(step.edge == "._events" for step in cluster.steps[:-1]):
        return "listener list"
    for glob, kind in _BY_TYPE:
        if any(fnmatchcase(step.type, glob) for step in held):
            return kind
    for glob, kind in _BY_OWNER:
        if any(fnmatchcase(step.type, glob) for step in cluster.steps[:-1]):
            return kind
    if cluster.root.kind in _BY_ROOT and (whole or cluster.root.kind not in ("frame", "c stack")):
        return _BY_ROOT[cluster.root.kind]
    if whole:
        return "object chain" if len(cluster.steps) > 1 else "unknown holder"
    if holding > 1:
        return "object container"
    return {"module": "module container", "class": "class container"}.get(cluster.root.kind, "object container")


def holder_of(cluster: Cluster, at: int | None = None) -> str:
    """The way to the container that keeps them, without what they are called in it: ``app.MANAGER.sessions``.

    ``at``: which step leads out of that container, where it is known; else the last that may.
    """
    if cluster.root.kind == "garbage":
        return "nothing: garbage that the collector has not freed"
    last = _holding_step(cluster.steps) if at is None else at
    shown = cluster.steps[:last]
    return holder_text(cluster.root) + "".join(_written(step) for step in shown)


def container_type(cluster: Cluster, at: int | None = None) -> str | None:
    """The class of the container that ``holder_of`` names; None if it has none."""
    last = _holding_step(cluster.steps) if at is None else at
    return cluster.steps[last - 1].type if last else None


def place_of(cluster: Cluster) -> tuple[str | None, int | None]:
    """File and line of the code that holds them: of the frame, coroutine or function nearest to them."""
    for step in reversed(cluster.steps):
        if step.file:
            return step.file, step.line
    return cluster.root.file, cluster.root.line


def _holding_step(steps: tuple[ChainStep, ...]) -> int:
    """Where the chain enters a container for the last time before anything that merely carries."""
    last = -1
    for at, step in enumerate(steps):
        if _is_element(step):
            last = at
        if any(fnmatchcase(step.type, glob) for glob in _CARRIES):
            break
    return last if last >= 0 else max(len(steps) - 1, min(len(steps), 1))


def _is_element(step: ChainStep) -> bool:
    return step.edge.startswith(("[", "member", "key", "C field"))


def _written(step: ChainStep) -> str:
    if step.edge.startswith((".", "[")):
        return step.edge
    return f", {step.edge}" if step.edge != "held" else ""
