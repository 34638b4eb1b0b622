"""``HeapGraph`` <-> ``NAME.leakscope``; the layout is in ``layout.py``, the distrust in ``container.py``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from leakscope import __version__
from leakscope.formats.atomic import replacing
from leakscope.formats.checks import check
from leakscope.formats.container import Damaged, Meta, as_input_error, open_members, opened, read_meta
from leakscope.formats.layout import META, OPTIONAL, SCHEMA, TABLES, decoded_limit, member_name, tables_of
from leakscope.formats.tables import Column, read_table, write_table
from leakscope.graph.heap import Bounds, Frames, HeapGraph, Int32s, Int64s, Labels, Roots, Sessions, Types

_LABEL = "references.label"
UNREAD = (_LABEL, "labels", "frames", "sessions", "bounds")
"""What ``load`` can leave unread: who only asks who keeps how much needs none of it."""


def save(graph: HeapGraph, path: Path) -> None:
    """Writes ``graph`` to ``path`` (mode 0600), whole or not at all; replaces a file of that name.

    Raises InputError when ``path`` cannot be written and ValueError when the
    graph is not one that ``load`` would accept.
    """
    check(graph)
    tables = _tables_of(graph)
    rows = {table: len(next(iter(columns.values()))) for table, columns in tables.items()}
    without = [table for table in OPTIONAL if getattr(graph, table) is None]
    meta = {"format": "leakscope", "schema": SCHEMA, "leakscope": __version__, "rows": rows, "without": without}
    text = json.dumps({**meta, "facts": graph.facts}, allow_nan=False)
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as container:
        container.writestr(_member(META), text)
        for table, columns in tables.items():
            with container.open(_member(member_name(table)), "w", force_zip64=True) as member:
                write_table(member, table, columns)


def load(path: Path, without: Collection[str] = ()) -> HeapGraph:
    """The graph in ``path``. Raises InputError for whatever is not an intact snapshot.

    ``without``: what the caller never asks for and is not read: of ``UNREAD``. It is empty, None for an optional table.
    """
    if not set(without) <= set(UNREAD):
        raise ValueError(f"{sorted(set(without) - set(UNREAD))} cannot be left out")
    with as_input_error(path), opened(path) as (file, size), open_members(file) as container:
        meta = read_meta(container, path)
        _refuse_bombs(meta, size)
        tables = {table: _read(container, table, meta.rows[table], without) for table in tables_of(meta.schema)}
        graph = _graph_of(tables, meta, without)
        check(graph, has_labels=_LABEL not in without)
        return graph


def load_meta(path: Path) -> Meta:
    """Only the facts and row counts of ``path``, without its tables. Raises InputError as ``load`` does."""
    with as_input_error(path), opened(path) as (file, _), open_members(file) as container:
        return read_meta(container, path)


def _member(name: str) -> zipfile.ZipInfo:
    """A member without the time and place of its making: equal graphs make equal files."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o600 << 16
    return info


def _read(container: zipfile.ZipFile, table: str, rows: int, without: Collection[str]) -> dict[str, Column]:
    wanted = [] if table in without else [name for name in TABLES[table].names if f"{table}.{name}" not in without]
    unread: dict[str, Column] = {
        field.name: np.zeros(0, field.type.to_pandas_dtype()) for field in TABLES[table] if field.name not in wanted
    }
    if not wanted:
        return unread
    return {**read_table(container.read(member_name(table)), table, rows, wanted), **unread}  # zipfile checks the CRC


def _refuse_bombs(meta: Meta, file_bytes: int) -> None:
    """A small file must not make the reader allocate much; row counts bind the tables later."""
    row_bytes = {name: sum(_width(type) for type in schema.types) for name, schema in TABLES.items()}
    decoded = sum(row_bytes[table] * rows for table, rows in meta.rows.items())
    if decoded > decoded_limit(file_bytes):
        raise Damaged(f"{file_bytes} bytes cannot hold what {META} promises")


def _width(type: Any) -> int:
    try:
        return int(type.bit_width) // 8
    except ValueError:  # strings
        return 64


def _tables_of(graph: HeapGraph) -> dict[str, dict[str, Column]]:
    counts = np.diff(graph.first_ref)
    source = np.repeat(np.arange(graph.objects, dtype=np.int32), counts)
    return {
        "objects": _pick(graph, "objects"),
        "references": {"source": source, "target": graph.target, "kind": graph.kind, "label": graph.label},
        "types": _pick(graph.types, "types"),
        "names": {"name": graph.names},
        "labels": _pick(graph.labels, "labels"),
        "frames": _pick(graph.frames, "frames"),
        "roots": _pick(graph.roots, "roots"),
        "sessions": _pick(graph.sessions, "sessions"),
        "bounds": _pick(graph.bounds, "bounds"),
    }


def _pick(holder: object, table: str) -> dict[str, Column]:
    if holder is None:
        return {name: [] for name in TABLES[table].names}
    return {name: getattr(holder, name) for name in TABLES[table].names}


def _graph_of(tables: dict[str, dict[str, Any]], meta: Meta, without: Collection[str]) -> HeapGraph:
    references = tables["references"]
    absent = {*meta.without, *without}
    return HeapGraph(
        **tables["objects"],
        first_ref=_first_ref(references.pop("source"), meta.rows["objects"]),
        **references,
        types=Types(**tables["types"]),
        names=tables["names"]["name"],
        labels=Labels(**tables["labels"]),
        frames=Frames(**tables["frames"]),
        roots=Roots(**tables["roots"]),
        sessions=None if "sessions" in absent else Sessions(**tables["sessions"]),
        bounds=None if "bounds" in absent else Bounds(**tables["bounds"]),
        facts=meta.facts,
    )


def _first_ref(source: Int32s, objects: int) -> Int64s:
    """Where each object's references begin, from the ascending column of their holders."""
    if len(source) and not (source[0] >= 0 and source[-1] < objects and (source[1:] >= source[:-1]).all()):
        raise Damaged("references.source is out of range or does not ascend")
    first = np.zeros(objects + 1, np.int64)
    if len(source):
        ends = np.append(np.flatnonzero(source[1:] != source[:-1]) + 1, len(source))
        first[source[ends - 1] + 1] = ends
    np.maximum.accumulate(first, out=first)
    return first
