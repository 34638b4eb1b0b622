"""``capture``: from a PID to a ``MemoryImage``; the one door into ``target`` for the other rooms."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from leakscope.errors import AttachError, TargetGoneError, UsageError
from leakscope.target.budget import Budget, Plan, plan
from leakscope.target.clocks import Moment, now, read_clocks
from leakscope.target.copy import Copied, Room, copy_ranges, pack, page_addresses, total_bytes
from leakscope.target.elf import HEADER_BYTES, Headers, parse_headers
from leakscope.target.fork import CannotForkError, Frozen, freeze
from leakscope.target.fork_checks import obstacle
from leakscope.target.image import PAGE_BYTES, CaptureFacts, LoadedModule, MemoryImage, StoppedThread
from leakscope.target.libc import read_memory, share_memory
from leakscope.target.live import ReadOnlyMemory
from leakscope.target.maps import Mapping, read_maps, shared_memory_note
from leakscope.target.modules import load_modules
from leakscope.target.paged import frozen_lost, paged_or_none
from leakscope.target.proc import access, gone, hurried, read_stat, read_status, started_at, threads
from leakscope.target.residency import Ranges, Residency, united, whole
from leakscope.target.runtimes import Identity, identify, require_supported
from leakscope.target.stacks import known_inside, stack_of
from leakscope.target.stop import traced_error, while_stopped

Progress = Callable[[str, float], None]
FORK_FROM_BYTES = 128 << 20
"""Pauses of copy and fork on two busy cores: 6 and 3 ms at 36 MB, 12 and 5 at 71, 21 and 11 at 137, 40 and 7 at 270,
86 and 21 at 580. Below this size a stop of 20 ms is not worth what a fork makes the target copy on write."""
_STRATEGIES = ("auto", "fork", "copy", "none")
_SLACK_BYTES = 16 << 20
_MOST_ENLARGEMENTS = 3


@dataclass(frozen=True)
class _Taken:
    """What was read while the target stood: the list of mappings and which ranges were copied."""

    moment: Moment
    mappings: list[Mapping]
    ranges: Ranges
    unreadable: list[tuple[int, int]]
    room: Room


def capture(pid: int, pause: str = "copy", progress: Progress | None = None) -> MemoryImage:
    """As ``captured``, for those who want the memory for good."""
    with ExitStack() as held:
        return _capture(held, pid, pause, progress, Budget(), for_good=True)


@contextmanager
def captured(
    pid: int, pause: str = "copy", progress: Progress | None = None, budget: Budget | None = None
) -> Iterator[MemoryImage]:
    """All private writable memory of a CPython process, for the length of a block.

    ``pause``: ``copy`` stops the process while its memory is copied, ``fork`` only while it forks a child that is
    read afterwards, ``auto`` forks from a size up where it can, ``none`` copies while it runs.
    ``progress(stage, fraction)`` is called between stages, never while the process stands. ``budget``: what of
    leakscope's own memory may be taken; the columns of the heap are laid where it says.
    Raises UsageError, and AttachError or one of its kinds.
    """
    with ExitStack() as held:
        yield _capture(held, pid, pause, progress, budget or Budget(), for_good=False)


def _capture(
    held: ExitStack, pid: int, pause: str, progress: Progress | None, budget: Budget, for_good: bool
) -> MemoryImage:
    """The image; unless it is ``for_good``, ``held`` gives its memory back."""
    if pause not in _STRATEGIES:
        raise UsageError(f"Unknown way to pause: {pause}", "Use --pause copy, --pause fork or --pause none.")
    if pid == os.getpid():
        raise AttachError(f"Process {pid} is leakscope itself", "It cannot stop and read itself at once.")
    report = progress or (lambda stage, fraction: None)
    report("look", 0.0)
    identity = identify(pid)
    version = require_supported(identity)
    _refuse_vfork_child(identity)
    with access(pid), Residency(pid) as residency, ThreadPoolExecutor(1, "leakscope-copy") as helper:
        report("prepare", 0.1)
        taker = _Taker(identity, residency, helper, budget)
        frozen, reason = (None, None) if pause == "none" else taker.freeze(held, pause)
        report("copy", 0.5)
        copied = None
        if frozen:
            strategy, pause_s, stood = "fork", frozen.pause_s, frozen.threads
            taken, copied = taker.take_frozen(frozen, held, for_good)
        elif pause == "none":
            strategy, (taken, stood, pause_s) = "none", taker.take_running()
        else:
            strategy, (taken, stood, pause_s) = "copy", taker.take_stopped()
    if copied is None:
        report("pack", 0.9)
        held.close()  # the child: from now on the target pays no more for what it writes
        copied = pack(taken.ranges, taken.room, taken.unreadable)
        if not for_good:
            held.callback(taken.room.release)
    warnings = tuple(_warnings(strategy, copied, reason, taken.mappings))
    image = _image(identity, version, taken, stood, copied, taker, (strategy, pause_s, warnings))
    report("done", 1.0)
    return image


class _Taker:
    """Does everything that takes time before the target is stopped, and little while it stands."""

    def __init__(self, identity: Identity, residency: Residency, helper: ThreadPoolExecutor, budget: Budget) -> None:
        self.identity = identity
        self._budget = budget
        self._enlargements = 0
        self._residency = residency
        self._helper = helper
        self.headers = _HeaderReader(identity.pid)
        self.modules(identity.mappings)  # fills the cache of headers
        self._room = Room(0)
        self._plan = Plan(0, None, spills_copy=False)

    def _prepare(self, strategy: str) -> None:
        size = total_bytes(self._ranges(read_maps(self.identity.pid)))
        self._plan = plan(size, strategy, self._budget)
        self._plan.begin()
        self._room = _make_room(size, self._plan)

    def freeze(self, held: ExitStack, pause: str) -> tuple[Frozen | None, str | None]:
        """A fork that lives as long as ``held``, or None, and why not where one would have been right."""
        pid = self.identity.pid
        tracer = int(read_status(pid).get("TracerPid", "0"))
        if tracer:
            raise traced_error(pid, tracer)
        size = total_bytes(self._ranges(read_maps(pid)))
        if pause == "copy" or (pause == "auto" and size < FORK_FROM_BYTES):
            return None, None
        reason = obstacle(pid, size)
        if reason is None:
            try:
                self._plan = plan(size, "fork", self._budget)
                with _no_garbage_collection():
                    return held.enter_context(freeze(pid)), None
            except CannotForkError as error:
                reason = error.reason
        if pause == "fork":
            raise CannotForkError(pid, reason)
        return None, reason

    def take_frozen(self, frozen: Frozen, held: ExitStack, for_good: bool) -> tuple[_Taken, Copied | None]:
        """Reads the child while the target runs; by what is touched of it, as long as ``held``, unless ``for_good``."""
        self._require_same(frozen.mappings)
        try:
            with access(frozen.pid), Residency(frozen.pid) as residency:
                ranges = self._ranges_of_child(frozen.mappings, residency)
            paged = None if for_good else paged_or_none(frozen.pid, ranges)
            if paged:
                self._plan.begin()
                held.enter_context(paged)
                copied = Copied(paged.bytes, page_addresses(ranges), 0)
                return _Taken(frozen.moment, frozen.mappings, ranges, [], self._room), copied
            self._plan = plan(total_bytes(ranges), "none", self._budget)
            self._plan.begin()
            room = _make_room(total_bytes(ranges), self._plan)
            unreadable = copy_ranges(frozen.pid, ranges, room.bytes, self._helper, room.checked(lambda: None))
        except (ProcessLookupError, TargetGoneError) as error:
            raise frozen_lost(frozen.pid) from error
        return _Taken(frozen.moment, frozen.mappings, ranges, unreadable, room), None

    def _ranges_of_child(self, mappings: Sequence[Mapping], residency: Residency) -> Ranges:
        """What the child has, and what the target has of its files: a child finds clean pages of files when read."""
        own = [mapping for mapping in mappings if mapping.is_own_memory]
        files = [(mapping.start, mapping.end) for mapping in own if mapping.is_file]
        others = [(mapping.start, mapping.end) for mapping in own if not mapping.is_file]
        try:
            pages = [page_addresses(each.resident(files)) for each in (residency, self._residency)]
            of_files = np.union1d(*pages)
            ranges = np.stack((of_files, np.full_like(of_files, PAGE_BYTES)), axis=1)
            return united([ranges, residency.resident(others)])
        except PermissionError:
            return whole([(mapping.start, mapping.end) for mapping in own])

    def _rehearse(self) -> None:
        """Copies a little, so that no code runs for the first time while the target stands."""
        few = self._ranges(read_maps(self.identity.pid))[:4].copy()
        few[:, 1] = PAGE_BYTES
        with access(self.identity.pid), hurried():  # the helper's thread begins here
            copy_ranges(self.identity.pid, few, self._room.bytes, self._helper, lambda: None)

    def modules(self, mappings: Sequence[Mapping]) -> list[LoadedModule]:
        return load_modules(mappings, self.identity.executable, self.headers, self.identity.symbols)

    def take_stopped(self) -> tuple[_Taken, tuple[StoppedThread, ...], float]:
        self._prepare("copy")
        self._rehearse()
        while True:
            with _no_garbage_collection():
                halted = while_stopped(self.identity.pid, self._take)
            if isinstance(halted.result, _Taken):
                return halted.result, halted.threads, halted.pause_s
            self._grow(halted.result)

    def take_running(self) -> tuple[_Taken, tuple[StoppedThread, ...], float]:
        self._prepare("none")
        taken = self._take(lambda: None)
        while not isinstance(taken, _Taken):
            self._grow(taken)
            taken = self._take(lambda: None)
        return taken, tuple(StoppedThread(tid, 0, ()) for tid in threads(self.identity.pid)), 0.0

    def _grow(self, needed: int) -> None:
        """The target outgrew the buffer. It runs on until a larger one has been touched, which takes long."""
        self._enlargements += 1
        if self._enlargements > _MOST_ENLARGEMENTS:
            raise AttachError(
                f"Process {self.identity.pid} grows faster than a buffer for it can be prepared",
                "Try again when it has calmed down.",
            )
        self._room = Room(0)  # gives the old one back first
        self._room = _make_room(needed << self._enlargements, self._plan)

    def _take(self, check: Callable[[], None]) -> _Taken | int:
        """Copies; or returns how many bytes the buffer needs, if it is too small."""
        pid = self.identity.pid
        moment = now()
        with access(pid):
            mappings = read_maps(pid)
            self._require_same(mappings)
            ranges = self._ranges(mappings)
            total = total_bytes(ranges)
            if total > len(self._room.bytes):
                return total
            unreadable = copy_ranges(pid, ranges, self._room.bytes, self._helper, self._room.checked(check))
        return _Taken(moment, mappings, ranges, unreadable, self._room)

    def _require_same(self, mappings: Sequence[Mapping]) -> None:
        pid = self.identity.pid
        with access(pid):
            if read_stat(pid).started != self.identity.stat.started:
                raise gone(pid)
        if not _same_program(self.identity, mappings):
            raise TargetGoneError(f"Process {pid} has become another program (exec) meanwhile", "Try again.")

    def _ranges(self, mappings: Sequence[Mapping]) -> Ranges:
        areas = [(mapping.start, mapping.end) for mapping in mappings if mapping.is_own_memory]
        try:
            return self._residency.resident(areas)
        except PermissionError:
            return whole(areas)


def _same_program(identity: Identity, mappings: Sequence[Mapping]) -> bool:
    """Whether the files that hold Python's symbols still lie where they lay."""
    before = {mapping[:7] for mapping in identity.mappings if mapping.path in identity.symbols and not mapping.writable}
    return before <= {mapping[:7] for mapping in mappings}


class _HeaderReader:
    """Reads ELF headers where they were loaded; remembers them, since the target may be gone later."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, Headers | None] = {}

    def __call__(self, address: int) -> Headers | None:
        if address not in self._seen:
            try:
                self._seen[address] = parse_headers(read_memory(self._pid, address, HEADER_BYTES))
            except OSError:
                return None
        return self._seen[address]


def _make_room(estimate: int, plan: Plan) -> Room:
    """With slack, in memory or where ``plan`` says."""
    size = estimate + estimate // 16 + _SLACK_BYTES
    try:
        return Room(size, plan.folder if plan.spills_copy else None)
    except OSError as error:
        raise AttachError(
            f"The copy has no room in {plan.folder}: {error.strerror}", "Name another folder: --spill-dir FOLDER"
        ) from error


def _refuse_vfork_child(identity: Identity) -> None:
    parent = identity.stat.parent
    if parent > 0 and share_memory(identity.pid, parent):
        raise AttachError(
            f"Process {identity.pid} is a child between vfork and exec, in the memory of process {parent}",
            f"Attach to {parent}, or try again in a moment.",
        )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A collection in leakscope while the target stands would lengthen its pause."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _image(
    identity: Identity,
    version: str,
    taken: _Taken,
    stood: tuple[StoppedThread, ...],
    copied: Copied,
    taker: _Taker,
    pause: tuple[str, float, tuple[str, ...]],
) -> MemoryImage:
    strategy, pause_s, warnings = pause
    clocks = read_clocks(identity.pid, taken.moment)
    facts = CaptureFacts(
        pid=identity.pid,
        captured_at=taken.moment.epoch,
        strategy=strategy,
        pause_ms=pause_s * 1000,
        copied_bytes=len(copied.buffer),
        started_at=started_at(identity.stat),
        warnings=warnings,
        monotonic_at=clocks.monotonic_at,
        boottime_at=clocks.boottime_at,
        utc_offset_s=clocks.utc_offset_s,
        seasons_s=clocks.seasons_s,
    )
    return MemoryImage(
        buffer=copied.buffer,
        pages=copied.pages,
        modules=tuple(taker.modules(taken.mappings)),
        threads=known_inside(identity.pid, stood),
        stacks=tuple(stack_of(taken.mappings, thread) for thread in stood),
        executable=identity.executable,
        version=version,
        facts=facts,
        read_only=ReadOnlyMemory(identity.pid, identity.stat.started, taken.mappings),
    )


def _warnings(strategy: str, copied: Copied, reason: str | None, mappings: Sequence[Mapping]) -> Iterator[str]:
    if reason:
        yield f"The process stood while its memory was copied, since it cannot be forked: {reason}."
    if strategy == "none":
        yield "The process ran while its memory was copied: some references may be torn or missing."
    if copied.unreadable:
        yield f"{copied.unreadable} bytes of its memory could not be read and are missing."
    note = shared_memory_note(mappings)
    if note:
        yield note
