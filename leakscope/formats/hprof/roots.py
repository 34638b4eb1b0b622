"""Why objects live: roots as users of heap analysers know them, and frames of threads as nodes with their locals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.classes import Classes
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.origins import origin_of, written
from leakscope.formats.hprof.records import Records, Texts
from leakscope.graph.heap import Addresses, Frames, Int32s, Int64s, Roots
from leakscope.graph.kinds import Origin, Root
from leakscope.graph.navigation import rows_of

JAVA_FRAME, SYSTEM_CLASS, THREAD = 0x03, 0x05, 0x08
_WORDS = {
    0xFF: "unknown",
    0x01: "JNI global",
    0x02: "JNI local",
    0x04: "native stack",
    SYSTEM_CLASS: "system class",
    0x06: "thread block",
    0x07: "busy monitor",
}
FIRST_FRAME = 1 << 63
"""Frames have no address; they are put behind all objects, where no process has any."""
_FRAME_STEP = 8


@dataclass(frozen=True)
class Held:
    """Frames that hold objects, and the locals in them: arrays parallel by ``of``."""

    addresses: Addresses
    """By frame."""
    thread: Int64s
    """By frame: the serial of its thread."""
    called: Int64s
    """By frame: its row among the dump's stack frames, -1 unknown."""
    of: Int32s
    """By local, ascending: which frame holds it."""
    node: Int32s


def find_frames(records: Records) -> Held:
    """The frames in which a local refers to an object."""
    chosen = (records["root_tag"] == JAVA_FRAME) & (records["root_frame"] >= 0)
    node = records.find(records["root_id"][chosen])
    thread, depth = records["root_thread"][chosen][node >= 0], records["root_frame"][chosen][node >= 0]
    node = node[node >= 0]
    frames, of = np.unique(thread << 32 | depth, return_inverse=True)
    order = np.argsort(of, kind="stable")
    address = np.arange(len(frames), dtype=np.uint64) * np.uint64(_FRAME_STEP) + np.uint64(FIRST_FRAME)
    serial, at = frames >> 32, frames & 0xFFFFFFFF
    return Held(address, serial, _called(records, serial, at), of[order].astype(np.int32), node[order])


def _called(records: Records, thread: Int64s, depth: Int64s) -> Int64s:
    """Rows of stack frames by thread and depth: over the trace that the thread's root names."""
    found = np.full(len(thread), -1, dtype=np.int64)
    if not len(records["frame_id"]) or not len(records["trace_serial"]) or not len(thread):
        return found
    of_thread = records["root_tag"] == THREAD
    trace_of = dict(
        zip(records["root_thread"][of_thread].tolist(), records["root_frame"][of_thread].tolist(), strict=True)
    )
    serials = records["trace_serial"].tolist()
    row_of_trace = dict(zip(serials, range(len(serials)), strict=True))
    traces = np.array([row_of_trace.get(trace_of.get(each, -1), -1) for each in thread.tolist()], dtype=np.int64)
    inside = (traces >= 0) & (depth < records["trace_frames"][traces])
    entry = (records["trace_first"][traces] + depth)[inside]
    order = np.argsort(records["frame_id"], kind="stable")
    by_id = records["frame_id"][order]
    wanted = records["stacked"][entry]
    place = np.searchsorted(by_id, wanted).clip(max=len(by_id) - 1)
    found[inside] = np.where(by_id[place] == wanted, order[place], -1)
    return found


def frame_table(records: Records, texts: Texts, names: Names, held: Held, objects: int) -> Frames:
    """One row per frame; nodes from ``objects`` on."""
    row = held.called
    known = row >= 0
    methods, files = ["?"] * len(row), [""] * len(row)
    origins = np.full(len(row), Origin.USER, dtype=np.uint8)
    line = np.zeros(len(row), dtype=np.int32)
    if known.any():
        line[known] = np.maximum(records["frame_line"][row[known]], 0)
        method = texts.all_of(records["frame_method"][row[known]])
        file = texts.all_of(records["frame_file"][row[known]])
        owner = _class_names(records, texts, records["frame_class"][row[known]])
        for at, cls, name, where in zip(np.flatnonzero(known).tolist(), owner, method, file, strict=True):
            methods[at] = f"{cls}.{name}"
            files[at] = "" if where == "?" else where
            origins[at] = origin_of(cls)
    node = np.arange(objects, objects + len(row), dtype=np.int32)
    return Frames(node, names.add_all(methods), names.add_all(files), line, origins)


def _class_names(records: Records, texts: Texts, serials: Int64s) -> list[str]:
    order = np.argsort(records["loaded_serial"], kind="stable")
    by_serial: npt.NDArray[np.int64] = records["loaded_serial"][order]
    place = np.searchsorted(by_serial, serials).clip(max=max(len(by_serial) - 1, 0))
    if not len(by_serial):
        return ["?"] * len(serials)
    called = texts.all_of(records["loaded_name"][order[place]])
    known = (by_serial[place] == serials).tolist()
    return [written(name) if there else "?" for name, there in zip(called, known, strict=True)]


def find_roots(
    records: Records, classes: Classes, names: Names, held: Held, thread_names: dict[int, str], objects: int
) -> Roots:
    """All roots. ``thread_names``: by node of a thread's object."""
    node = records.find(records["root_id"])
    tag, serial = records["root_tag"][node >= 0], records["root_thread"][node >= 0]
    node = node[node >= 0]
    threads = np.flatnonzero(tag == THREAD)
    called = [thread_names.get(each, "") for each in node[threads].tolist()]
    name_of = dict(zip(serial[threads].tolist(), called, strict=True))
    by_thread = names.add_all(called)
    frame_node = np.arange(objects, objects + len(held.addresses), dtype=np.int32)
    frame_name = names.add_all(name_of.get(each, "") for each in held.thread.tolist())
    other = np.flatnonzero((tag != THREAD) & (tag != JAVA_FRAME))
    word = np.array([names.add(_WORDS.get(code, "unknown")) for code in range(256)], dtype=np.int32)
    lost = np.setdiff1d(node[tag == JAVA_FRAME], held.node).astype(np.int32)
    is_class = rows_of_classes(classes, node[other])
    origin = np.full(len(other), Origin.INTERPRETER, dtype=np.uint8)
    origin[is_class >= 0] = classes.types.origin[is_class[is_class >= 0]]
    interpreter = int(Origin.INTERPRETER)
    parts = [
        (node[threads], Root.THREAD, by_thread, np.full(len(threads), interpreter)),
        (frame_node, Root.FRAME, frame_name, np.full(len(frame_node), interpreter)),
        (node[other], Root.NAMED, word[tag[other]], origin),
        (lost, Root.NAMED, np.full(len(lost), names.add("Java local")), np.full(len(lost), interpreter)),
    ]
    return Roots(
        node=np.concatenate([part[0] for part in parts]).astype(np.int32),
        kind=np.concatenate([np.full(len(part[0]), part[1], dtype=np.uint8) for part in parts]),
        name=np.concatenate([part[2] for part in parts]).astype(np.int32),
        origin=np.concatenate([part[3] for part in parts]).astype(np.uint8),
    )


def rows_of_classes(classes: Classes, nodes: Int32s) -> Int32s:
    """By node the row of the type whose class object it is, -1 for none."""
    row = np.flatnonzero(classes.types.node >= 0)
    row = row[np.argsort(classes.types.node[row], kind="stable")]
    place = rows_of(classes.types.node[row], nodes)
    return np.where(place >= 0, np.append(row, -1)[place], -1).astype(np.int32)


def locals_of(names: Names, held: Held, objects: int) -> tuple[Int32s, Int32s, Int32s]:
    """``(holder, target, label)`` of what frames hold, ascending by holder; a dump does not say a local's name."""
    label = np.full(len(held.of), names.add(""), dtype=np.int32)
    return (held.of + np.int32(objects)).astype(np.int32), held.node, label
