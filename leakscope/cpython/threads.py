"""Interpreters, their threads, and the frames that these are running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakscope.cpython.attributes import attribute
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.types import TypeTable

_MOST_INTERPRETERS = 1024
_MOST_THREADS = 1 << 20
_MOST_FRAMES = 1 << 20
_MOST_DIGITS = 1 << 10
_MOST_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class RunningFrame:
    """One level of a thread's Python stack."""

    address: int
    """Of its node: the frame object (3.10, or one that owns its frame), the generator that holds it, or itself."""
    is_object: bool
    frame: int
    """Address of the ``_PyInterpreterFrame`` (3.11+) or the frame object (3.10)."""


@dataclass(frozen=True)
class PythonThread:
    """One ``PyThreadState``."""

    state: int
    ident: int
    native_id: int
    """0 before 3.11."""
    name: str
    frames: tuple[RunningFrame, ...]
    """Innermost first."""
    data_stack: tuple[tuple[int, int], ...]
    """Where its frames lie (3.11+), ``[start, end)``: memory whose words stay there when a frame is left."""


@dataclass(frozen=True)
class Interpreter:
    """One ``PyInterpreterState``."""

    address: int
    threads: tuple[PythonThread, ...]


def read_interpreters(heap: HeapMemory, table: TypeTable, runtime: int) -> list[Interpreter]:
    """All interpreters of the runtime, with their threads; in the order of the runtime's list."""
    layout = heap.layout
    found: list[Interpreter] = []
    heads = _chain(heap, heap.word(runtime + layout.runtime_interpreters_head), layout.interp_next, _MOST_INTERPRETERS)
    for address in heads:
        names = _thread_names(heap, table, address)
        states = _chain(heap, heap.word(address + layout.interp_tstate_head), layout.tstate_next, _MOST_THREADS)
        found.append(Interpreter(address, tuple(_read_thread(heap, state, names) for state in states)))
    return found


def _chain(heap: HeapMemory, address: int, next_offset: int, limit: int) -> Iterator[int]:
    seen: set[int] = set()
    while address and address not in seen and len(seen) < limit:
        seen.add(address)
        yield address
        address = heap.word(address + next_offset)


def _thread_names(heap: HeapMemory, table: TypeTable, interpreter: int) -> dict[int | None, str]:
    """Names by thread ident, from ``threading._active``."""
    modules = heap.word(interpreter + heap.layout.interp_modules)
    threading = next((value for key, value in heap.dict_items(modules) if heap.text(key, 16) == "threading"), 0)
    namespace = heap.word(threading + heap.layout.module_dict) if threading else 0
    active = next((value for key, value in heap.dict_items(namespace) if heap.text(key, 8) == "_active"), 0)
    names: dict[int | None, str] = {}
    for key, thread in heap.dict_items(active) if active else ():
        name = heap.text(attribute(heap, table, thread, "_name"), 200)
        if name:
            names[read_int(heap, key)] = name
    return names


def read_int(heap: HeapMemory, address: int) -> int | None:
    """The value of an ``int`` object; None if it is torn or longer than any number that means something."""
    layout = heap.layout
    if layout.long_tag >= 0:
        tag = heap.word(address + layout.long_tag)
        count, negative = tag >> layout.long_tag_shift, tag & layout.long_sign_mask == 2
    else:
        size = heap.word(address + layout.var_size)
        negative = bool(size >> 63)
        count = (1 << 64) - size if negative else size
    raw = heap.read(address + layout.long_digits, count * 4) if count <= _MOST_DIGITS else None
    if raw is None:
        return None
    value = sum(
        int.from_bytes(raw[at : at + 4], "little") << at // 4 * layout.long_digit_bits for at in range(0, len(raw), 4)
    )
    return -value if negative else value


def _read_thread(heap: HeapMemory, state: int, names: dict[int | None, str]) -> PythonThread:
    layout = heap.layout
    ident = heap.word(state + layout.tstate_thread_id)
    native = heap.word(state + layout.tstate_native_thread_id) if layout.tstate_native_thread_id >= 0 else 0
    frames = tuple(_frames(heap, state))
    name = names.get(ident) or f"thread {native or hex(ident)}"
    return PythonThread(state, ident, native, name, frames, tuple(_data_stack(heap, state)))


def _data_stack(heap: HeapMemory, state: int) -> Iterator[tuple[int, int]]:
    """The ``_PyStackChunk``s of a thread, each of which begins with the one before it and its size."""
    if heap.layout.tstate_datastack_chunk < 0:
        return
    for chunk in _chain(heap, heap.word(state + heap.layout.tstate_datastack_chunk), 0, _MOST_FRAMES):
        yield chunk, chunk + min(heap.word(chunk + 8), _MOST_CHUNK_BYTES)


def _frames(heap: HeapMemory, state: int) -> Iterator[RunningFrame]:
    layout = heap.layout
    if layout.tstate_frame >= 0:
        for frame in _chain(heap, heap.word(state + layout.tstate_frame), layout.frame_back, _MOST_FRAMES):
            yield RunningFrame(frame, True, frame)
        return
    if layout.tstate_current_frame >= 0:
        top = heap.word(state + layout.tstate_current_frame)
    else:
        top = heap.word(heap.word(state + layout.tstate_cframe) + layout.cframe_current_frame)
    for frame in _chain(heap, top, layout.iframe_previous, _MOST_FRAMES):
        owner = heap.byte(frame + layout.iframe_owner)
        if owner == layout.owner_thread:
            yield RunningFrame(frame, False, frame)
        elif owner == layout.owner_generator:
            yield RunningFrame(frame - layout.generator_iframe, True, frame)
        elif owner == layout.owner_frame_object:
            yield RunningFrame(frame - layout.frame_frame_data, True, frame)
