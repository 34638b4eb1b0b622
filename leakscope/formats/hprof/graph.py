"""From the tables of a dump to a ``HeapGraph``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.classes import FRAME, Classes, read_classes, static_rows
from leakscope.formats.hprof.labels import key_labels
from leakscope.formats.hprof.layout import Layouts
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.records import CLASS, REFERENCE, Malformed, Records, Texts
from leakscope.formats.hprof.roots import find_frames, find_roots, frame_table, locals_of
from leakscope.formats.hprof.sizes import own_sizes
from leakscope.formats.hprof.texts import Strings
from leakscope.formats.hprof.values import JvmValues
from leakscope.graph.heap import HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Node, Ref
from leakscope.kernels.edges import Edges
from leakscope.kernels.hprof_edges import Writer, first_short
from leakscope.kernels.hprof_ids import numbers_at
from leakscope.kernels.traverse import REACHED, reach

Progress = Callable[[str, float], None]
_LATEST_S = 1e11
_INTERNAL = {
    "<super>": "class_super",
    "<classloader>": "class_loader",
    "<signers>": "class_signers",
    "<protection domain>": "class_domain",
}
_VERSIONS = (("java.lang.VersionProps", "java_version"), ("sun.misc.Version", "java_version"))
"""Class variables in which the JDK says what it is."""
_SALTED, _SALTS = "java.util.ImmutableCollections", (("SALT32L", 11, 8), ("SALT", 10, 4))
"""By which sets of the JDK are put in order; its type and width since JDK 15, and before."""

_Extra = tuple[Int32s, Int32s, Int8s, Int32s]


def build(records: Records, progress: Progress, reveal: bool) -> tuple[HeapGraph, JvmValues]:
    """The graph, and what its objects are worth. Malformed where instances contradict their classes."""
    texts, names = Texts(records), Names()
    progress("classes", 0.2)
    classes, type = read_classes(records, texts, names)
    del records.columns["key"]  # as large as all ids, and asked no more
    layouts = Layouts(classes, names)
    _refuse_short(records, layouts, type)
    with ThreadPoolExecutor(1) as pool:
        sizes = pool.submit(own_sizes, records, classes, type)
        progress("references", 0.4)
        held = find_frames(records)
        objects, frames = records.objects, len(held.addresses)
        address = np.append(records["id"], held.addresses)
        records = records.with_ids(address[:objects])
        type = np.append(type, np.full(frames, classes.number_of[FRAME], dtype=np.int32))
        extra = _extra(records, texts, names, classes, locals_of(names, held, objects))
        first_ref = np.zeros(objects + frames + 1, dtype=np.int64)
        writer = Writer(
            records.data, records.header.id_bytes, records.ids, records["place"], records["tag"], type, layouts.columns
        )
        target, kind, label = writer.write(first_ref, _room(records, classes, type, len(extra[0])), extra)
    size, model = sizes.result()
    progress("roots", 0.8)
    strings = Strings(records, layouts, type)
    graph = HeapGraph(
        address=address,
        type=type,
        own_size=np.append(size, np.zeros(frames, dtype=np.int64)),
        flags=_flags(records, frames),
        first_ref=first_ref,
        target=target,
        kind=kind,
        label=label,
        types=classes.types,
        names=names.list,
        labels=key_labels(strings, layouts, type, first_ref, target, kind, label, names, reveal),
        frames=frame_table(records, texts, names, held, objects),
        roots=find_roots(records, classes, names, held, _thread_names(records, strings), objects),
        facts=_facts(records, texts, classes, strings, model.reference),
    )
    progress("liveness", 0.9)
    strong = [each for each in Ref if each != Ref.WEAK]
    alive = reach(Edges(first_ref, target, kind, strong), np.ascontiguousarray(graph.roots.node))
    graph.flags[(alive & REACHED) == 0] |= np.uint8(Node.GARBAGE)
    return graph, JvmValues(records, classes, strings, graph)


def _refuse_short(records: Records, layouts: Layouts, type: Int32s) -> None:
    """Malformed if an instance is shorter than its fields; kernels read these without looking."""
    short = first_short(
        records.data, records.header.id_bytes, records["place"], records["tag"], type, layouts.columns["need"]
    )
    if short >= 0:
        at = int(records["place"][short])
        raise Malformed(f"the object at offset {at:,} is shorter than the fields of its class")


def _room(records: Records, classes: Classes, type: Int32s, extra: int) -> int:
    """No fewer references than there can be: fields, entries of arrays and of lists, of maps, classes, ``extra``."""
    of_type = np.bincount(type, minlength=len(classes.types.name))
    fields = int((of_type * classes.references).sum())
    return min(fields, len(records.data)) + 2 * records.elements + 3 * records.objects + extra


def _extra(
    records: Records, texts: Texts, names: Names, classes: Classes, of_frames: tuple[Int32s, Int32s, Int32s]
) -> _Extra:
    """References of class objects and frames, ascending by holder."""
    rows = static_rows(records, classes)
    chosen = np.flatnonzero((records["static_type"] == REFERENCE) & (rows >= 0))
    used, where = np.unique(records["static_name"][chosen], return_inverse=True)
    label = names.add_all(texts.all_of(used))[where]
    value = numbers_at(records.data, records["static_place"][chosen], records.header.id_bytes)
    parts = [(classes.types.node[rows[chosen]], records.find(value), Ref.GLOBAL, label)]
    node = records.find(records["class_id"])
    for name, column in _INTERNAL.items():
        number = np.full(len(node), names.add(name), dtype=np.int32)
        parts.append((node, records.find(records[column]), Ref.INTERNAL, number))
    parts.append((of_frames[0], of_frames[1], Ref.LOCAL, of_frames[2]))
    holder, target, number = (np.concatenate([part[at] for part in parts]) for at in (0, 1, 3))
    kind = np.concatenate([np.full(len(part[0]), part[2], dtype=np.uint8) for part in parts])
    there = np.flatnonzero((holder >= 0) & (target >= 0))
    order = there[np.argsort(holder[there], kind="stable")]
    return _as(np.int32, holder[order]), _as(np.int32, target[order]), kind[order], _as(np.int32, number[order])


def _as(kind: type[np.int32], column: npt.NDArray[Any]) -> Int32s:
    return np.ascontiguousarray(column, dtype=kind)


def _flags(records: Records, frames: int) -> Int8s:
    flags = np.zeros(records.objects + frames, dtype=np.uint8)
    flags[: records.objects][records["tag"] == CLASS] = Node.CLASS
    flags[records.objects :] = Node.FRAME
    return flags


def _thread_names(records: Records, strings: Strings) -> dict[int, str]:
    """By node of threads that roots name."""
    node = np.unique(records.find(records["root_id"][records["root_tag"] == 0x08]))
    node = node[node >= 0]
    called = strings.referred(node, "name")
    pairs = zip(node.tolist(), called.tolist(), strict=True)
    return {each: strings.text(name, 200) or "" if name >= 0 else "" for each, name in pairs}


def _facts(records: Records, texts: Texts, classes: Classes, strings: Strings, reference: int) -> dict[str, Any]:
    captured = records.header.captured_at
    warnings = []
    if records.doubled:
        warnings.append(f"{records.doubled:,} objects have the id of another one and are left out")
    return {
        "runtime": "jvm",
        "version": _version(records, texts, classes, strings),
        "pid": None,
        "salt": _salt(records, texts, classes),
        "captured_at": captured if 0 < captured < _LATEST_S else None,
        "strategy": "dump",
        "reference_bytes": reference,
        "warnings": warnings,
    }


def _salt(records: Records, texts: Texts, classes: Classes) -> int | None:
    """A number that each JVM chooses by chance when it starts: heaps with the same one are of one process."""
    for field, code, width in _SALTS:
        place = _class_variable(records, texts, classes, _SALTED, field, code)
        if place is not None:
            return int(numbers_at(records.data, np.array([place]), width)[0])
    return None


def _class_variable(records: Records, texts: Texts, classes: Classes, owner: str, field: str, code: int) -> int | None:
    """Where the value of a class variable of this type stands in the dump."""
    at = np.flatnonzero((static_rows(records, classes) == classes.row(owner)) & (records["static_type"] == code))
    called = texts.all_of(records["static_name"][at])
    there = classes.row(owner) >= 0 and field in called
    return int(records["static_place"][at[called.index(field)]]) if there else None


def _version(records: Records, texts: Texts, classes: Classes, strings: Strings) -> str | None:
    for owner, field in _VERSIONS:
        place = _class_variable(records, texts, classes, owner, field, REFERENCE)
        if place is not None:
            node = records.find(numbers_at(records.data, np.array([place]), records.header.id_bytes))
            return strings.text(int(node[0]), 40) if node[0] >= 0 else None
    return None
