"""Snapshot files: damaged bytes, damaged members under valid checksums, other columns; graphs with wrong numbers."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from leakscope.errors import InputError
from leakscope.formats.checks import check
from leakscope.formats.layout import TABLES, member_name
from leakscope.formats.leakscope_file import load, save
from leakscope.formats.tables import write_table
from leakscope.graph.heap import HeapGraph
from tests.fuzz.examine import ask_all, compare_all, read_all, short_rules
from tests.fuzz.kinds import own_folder
from tests.fuzz.seeds import FOLDER, load_image

_THOROUGH_EVERY = 16
_HOSTILE = (
    "null", "true", "-1", "1e999", "99999999999999999999", "[]", "{}", '""', '"\\ud800"', "[" * 2000, "NaN", "0.5",
)  # fmt: skip


@functools.cache
def graphs() -> list[HeapGraph]:
    """The heaps of the seed images, read without damage."""
    return [read_all(load_image(path), short_rules()) for path in sorted(FOLDER.glob("image-*.npz"))]


@functools.cache
def files() -> list[bytes]:
    """Their snapshot files."""
    with tempfile.TemporaryDirectory(prefix="leakscope-fuzz-") as folder:
        path = Path(folder, "x.leakscope")
        found = []
        for graph in graphs():
            save(graph, path)
            found.append(path.read_bytes())
        return found


class Snapshots:
    """The input is the file's content."""

    def __init__(self) -> None:
        self._path = own_folder() / "x.leakscope"
        self._members = [_members(each) for each in files()]

    def make(self, dice: Random) -> bytes:
        number = dice.randrange(len(self._members))
        way = dice.randrange(8)
        if way == 0:
            return damaged(dice, files()[number])
        members = dict(self._members[number])
        if way == 1:
            members["meta.json"] = _other_meta(dice, members["meta.json"])
        elif way < 5:
            table = dice.choice(list(TABLES))
            members[member_name(table)] = _other_columns(dice, table, members[member_name(table)], number)
        else:
            name = dice.choice(list(members))
            members[name] = damaged(dice, members[name])
        return _zipped(members)

    def run(self, made: bytes) -> None:
        self._path.write_bytes(made)
        ask_all(load(self._path), draw=len(made) % _THOROUGH_EVERY == 0)

    def encode(self, made: bytes) -> bytes:
        return made

    def decode(self, raw: bytes) -> bytes:
        return raw


class Graphs:
    """Columns as they are after loading, so that far more of them reach the analyses than files would.

    The input is which heap, and new numbers by table, column and row.
    """

    def make(self, dice: Random) -> list[Any]:
        which = dice.randrange(len(graphs()))
        graph = graphs()[which]
        changes = []
        for _ in range(dice.choice((1, 1, 2, 4, 16, 64))):
            table, column = dice.choice(_NUMBERS)
            rows = getattr(_table(graph, table), column)
            if len(rows):
                number = _other_number(dice, graph, rows)
                changes.append((table, column, dice.randrange(len(rows)), number))
        return [which, changes, dice.randrange(_THOROUGH_EVERY) == 0]

    def run(self, made: list[Any]) -> None:
        which, changes, thorough = made
        intact = graphs()[which]
        columns: dict[tuple[str, str], Any] = {}
        for table, column, row, number in changes:
            rows = columns.setdefault((table, column), getattr(_table(intact, table), column).copy())
            rows[row % len(rows)] = number  # the corpus outlives the seeds it was found with
        graph = _replaced(intact, columns)
        try:
            check(graph)
        except ValueError as error:  # which ``load`` turns into this
            raise InputError(str(error), "as a file it would be refused") from error
        ask_all(graph, thorough)
        if thorough:
            compare_all(graph, intact)

    def encode(self, made: list[Any]) -> bytes:
        return json.dumps(made).encode()

    def decode(self, raw: bytes) -> list[Any]:
        said: list[Any] = json.loads(raw)
        return said


_NUMBERS = [
    ("graph", name) for name in ("type", "own_size", "flags", "first_ref", "target", "target", "kind", "kind", "label")
] + [
    (table, name)
    for table in ("types", "labels", "frames", "roots", "sessions", "bounds")
    for name in TABLES[table].names
    if (table, name) != ("types", "name")
]


def _table(graph: HeapGraph, table: str) -> Any:
    return graph if table == "graph" else getattr(graph, table)


def _replaced(graph: HeapGraph, columns: dict[tuple[str, str], Any]) -> HeapGraph:
    changed: dict[str, Any] = {}
    for (table, column), rows in columns.items():
        if table == "graph":
            changed[column] = rows
        else:
            changed[table] = dataclasses.replace(changed.get(table, getattr(graph, table)), **{column: rows})
    return dataclasses.replace(graph, **changed)


def _other_number(dice: Random, graph: HeapGraph, rows: Any) -> int | float:
    """One that is probably in range, since checks refuse the others; of the column's own type."""
    if rows.dtype.kind == "f":
        return dice.choice((0.0, -1.0, 1e9, 1e13, 1.7e9, float("inf"), float(dice.getrandbits(40))))
    limits = np.iinfo(rows.dtype)
    number = dice.choice((
        dice.randrange(graph.objects), dice.randrange(graph.objects), dice.randrange(16), -1, 0,
        int(rows[dice.randrange(len(rows))]), int(limits.max), int(limits.min), len(graph.names), len(graph.types.name),
    ))  # fmt: skip
    return min(max(number, int(limits.min)), int(limits.max))


def damaged(dice: Random, content: bytes) -> bytes:
    """Some bytes changed, cut off, doubled, or moved."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.choice((dice.randrange(len(data)), dice.randrange(min(64, len(data)))))
        if dice.randrange(2):
            at = len(data) - 1 - at
        way = dice.randrange(8)
        if way < 3:
            data[at] ^= 1 << dice.randrange(8)
        elif way < 5:
            data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif way == 5:
            data[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80"))
        elif way == 6:
            del data[at : at + dice.choice((1, 4, 64, len(data)))]
        else:
            data[at:at] = data[at : at + dice.choice((1, 4, 64))]
        if not data:
            return b""
    return bytes(data)


def _members(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as container:
        return {name: container.read(name) for name in container.namelist()}


def _zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as container:
        for name, data in members.items():
            container.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def _other_meta(dice: Random, meta: bytes) -> bytes:
    """One value of the JSON, at any depth, is another."""
    text = json.dumps(json.loads(meta))
    places = [at for at, character in enumerate(text) if character == ":"]
    at = dice.choice(places) + 1
    end = min((text.find(mark, at) for mark in ",}]" if text.find(mark, at) > 0), default=len(text))
    return (text[:at] + dice.choice(_HOSTILE) + text[end:]).encode()


def _other_columns(dice: Random, table: str, member: bytes, number: int) -> bytes:
    """A well-formed table with a wrong number in it."""
    graph = graphs()[number]
    if table in ("types", "names", "objects", "references"):
        return damaged(dice, member)
    columns = {name: getattr(_table(graph, table), name) for name in TABLES[table].names}
    name = dice.choice(list(columns))
    if not len(columns[name]):
        return damaged(dice, member)
    columns[name] = columns[name].copy()
    columns[name][dice.randrange(len(columns[name]))] = _other_number(dice, graph, columns[name])
    file = io.BytesIO()
    write_table(file, table, columns)
    return file.getvalue()
