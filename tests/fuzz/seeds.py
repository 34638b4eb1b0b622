"""The images that the fuzzer damages: real ones of CPython 3.10 to 3.13, cut down to the pages that matter.

    python -m tests.fuzz.seeds

makes ``fixtures/fuzz/image-3.N.npz`` anew from the CPythons of this machine. A page is left out whenever the heap
that is read without it still has every kind of reference, root and class that the whole one has.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import mmap
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.errors import LeakscopeError
from leakscope.graph.heap import HeapGraph
from leakscope.graph.values import UNKNOWN_MASK
from leakscope.target.attach import capture
from leakscope.target.image import PAGE_BYTES, CaptureFacts, LoadedModule, MemoryImage, StoppedThread
from tests.fuzz.examine import all_rules, read_all, short_rules

FOLDER = Path(__file__).parents[2] / "fixtures" / "fuzz"
PROGRAM = FOLDER / "seed_program.py"
LINE_BYTES = 64
"""Read-only memory is kept in pieces of this size."""
_TYPES = (
    "__main__.Session", "__main__.Slotted", "generator", "function", "collections.deque", "collections.OrderedDict",
    "frozenset", "set", "method", "bytearray", "weakref.ReferenceType", "cell", "module", "frame", "code",
)  # fmt: skip
_LIBC = ctypes.CDLL(None, use_errno=True)
_NAMES = frozenset(("SESSIONS", "HOLDERS", "seen", "seed", "created_at", "value"))
Bytes = npt.NDArray[np.uint8]


class Recorded:
    """``MemoryImage.read_only`` of a process that is long gone: what was asked for while it lived."""

    def __init__(self, lines: dict[int, bytes]) -> None:
        self._starts: list[int] = []
        parts: list[list[bytes]] = []
        end = -1
        for at in sorted(lines):
            if at != end:
                self._starts.append(at)
                parts.append([])
            parts[-1].append(lines[at])
            end = at + LINE_BYTES
        self._runs = [b"".join(run) for run in parts]

    def __call__(self, address: int, length: int) -> bytes | None:
        place = bisect_right(self._starts, address) - 1
        if place < 0 or length <= 0:
            return None
        inside = address - self._starts[place]
        run = self._runs[place]
        return run[inside : inside + length] if inside + length <= len(run) else None


class _Recorder:
    """Answers from the process, and remembers whole lines."""

    def __init__(self, ask: Callable[[int, int], bytes | None]) -> None:
        self._ask = ask
        self.lines: dict[int, bytes] = {}

    def __call__(self, address: int, length: int) -> bytes | None:
        for at in range(address & -LINE_BYTES, address + length, LINE_BYTES):
            line = self._ask(at, LINE_BYTES)
            if line is not None:
                self.lines[at] = line
        return self._ask(address, length)


def load_image(path: Path) -> MemoryImage:
    """The image in ``path``; its pages lie between two that cannot be touched, so that overruns are seen."""
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        lines = dict(zip(stored["lines"].tolist(), map(bytes, stored["line_bytes"]), strict=True))
        buffer = guarded(stored["buffer"])
        return MemoryImage(
            buffer=buffer,
            pages=stored["pages"],
            modules=tuple(_module(each) for each in about["modules"]),
            threads=tuple(StoppedThread(tid, sp, tuple(registers)) for tid, sp, registers in about["threads"]),
            stacks=tuple((start, end) for start, end in about["stacks"]),
            executable=about["executable"],
            version=about["version"],
            facts=CaptureFacts(**{**about["facts"], "warnings": ()}),
            read_only=Recorded(lines),
        )


def _module(about: dict[str, Any]) -> LoadedModule:
    ranges = tuple((start, end) for start, end in about["data_ranges"])
    return LoadedModule(about["path"], about["load_bias"], ranges, about["symbols"])


def guarded(content: Bytes) -> Bytes:
    """A copy that ends where the process may not read, and begins behind such a page; whole pages right behind."""
    size = -(-len(content) // PAGE_BYTES) * PAGE_BYTES
    room = mmap.mmap(-1, size + 2 * PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    whole = np.frombuffer(room, np.uint8)
    for at in (0, size + PAGE_BYTES):
        if _LIBC.mprotect(ctypes.c_void_p(whole.ctypes.data + at), ctypes.c_size_t(PAGE_BYTES), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    inner = whole[PAGE_BYTES + size - len(content) : PAGE_BYTES + size]
    inner[:] = content
    return inner


def save_image(image: MemoryImage, lines: dict[int, bytes], path: Path, compress: bool = True) -> None:
    about = {
        "modules": [dataclasses.asdict(module) for module in image.modules],
        "threads": [[thread.tid, thread.stack_pointer, thread.registers] for thread in image.threads],
        "stacks": image.stacks,
        "executable": image.executable,
        "version": image.version,
        "facts": dataclasses.asdict(image.facts),
    }
    line_bytes = np.frombuffer(b"".join(lines.values()), np.uint8).reshape(-1, LINE_BYTES)
    store = np.savez_compressed if compress else np.savez
    store(
        path,
        about=np.array(json.dumps(about)),
        buffer=image.buffer,
        pages=image.pages,
        lines=np.array(list(lines), np.uint64),
        line_bytes=line_bytes,
    )


def features(graph: HeapGraph) -> set[tuple[str, object]]:
    """What a heap has to offer to who reads it."""
    names = {graph.types.name[row] for row in np.unique(graph.type).tolist()}
    functions = {graph.names[row] for row in graph.frames.function.tolist()}
    return {
        *(("reference", kind) for kind in np.unique(graph.kind).tolist()),
        *(("root", kind) for kind in np.unique(graph.roots.kind).tolist()),
        *(("flag", flag) for flag in np.unique(graph.flags).tolist()),
        *(("type", name) for name in names.intersection(_TYPES)),
        *(("frame", name) for name in functions & {"producer", "wait", "<module>"}),
        ("limits", 0 if graph.bounds is None else len(graph.bounds.node) > 0),
        *(("name", name) for name in _NAMES.intersection(graph.names)),
        *_session_features(graph),
    }


def _session_features(graph: HeapGraph) -> set[tuple[str, object]]:
    """How many sessions, and what the rule for them found out."""
    sessions = graph.sessions
    assert sessions is not None
    of_rule = np.array([graph.names[rule] == "seed" for rule in sessions.rule.tolist()], np.bool_)
    known = (sessions.created > 0, sessions.state >= 0, sessions.id != UNKNOWN_MASK)
    counts = [int(each[of_rule].sum()) for each in known]
    return {("sessions", int(of_rule.sum())), *(("known", pair) for pair in enumerate(counts))}


def cut(image: MemoryImage) -> MemoryImage:
    """The image without the pages that nothing in ``features`` needs."""
    wanted = features(read_all(image, short_rules()))
    keep = np.arange(len(image.pages))
    piece = len(keep) // 4
    while piece:
        at = 0
        while at < len(keep):
            fewer = np.delete(keep, slice(at, at + piece))
            if wanted <= _features_of(_only(image, fewer)):
                keep = fewer
            else:
                at += piece
        piece //= 2
    return _only(image, keep)


def _features_of(image: MemoryImage) -> set[tuple[str, object]]:
    try:
        return features(read_all(image, short_rules()))
    except LeakscopeError:
        return set()


def _only(image: MemoryImage, pages: npt.NDArray[np.int64]) -> MemoryImage:
    content = image.buffer.reshape(-1, PAGE_BYTES)[pages].reshape(-1)
    return dataclasses.replace(image, buffer=content, pages=image.pages[pages])


def make(python: Path, path: Path) -> MemoryImage:
    """Captures the seed program in ``python``, and writes what is left of its memory to ``path``."""
    command = [str(python), "-I", "-S", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/") as process:
        assert process.stdout is not None
        process.stdout.readline()
        image = capture(process.pid)
        small = cut(image)
        recorder = _Recorder(image.read_only)
        read_all(dataclasses.replace(small, read_only=recorder), all_rules())
        process.kill()
    save_image(small, recorder.lines, path)
    return small


def main() -> None:
    from tests.interpreters import one_per_version

    for interpreter in one_per_version():
        path = FOLDER / f"image-{interpreter.version[0]}.{interpreter.version[1]}.npz"
        image = make(interpreter.path, path)
        sys.stdout.write(f"{path.name}: {len(image.pages)} pages, {path.stat().st_size >> 10} KiB\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
