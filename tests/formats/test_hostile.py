"""Files that are damaged, foreign or made to harm: InputError, never another exception or a broken graph."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leakscope.errors import InputError
from leakscope.formats.checks import BadGraph, check
from leakscope.formats.layout import TABLES
from leakscope.formats.leakscope_file import load, load_meta, save
from leakscope.graph.heap import Types
from tests.formats.graphs import assert_equal, random_graph

GRAPH = random_graph(1, objects=20_000, references=60_000, names=["name", "other"])


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a snapshot of GRAPH."""
    path = tmp_path_factory.mktemp("intact") / "x.leakscope"
    save(GRAPH, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test puts its file."""
    return tmp_path / "bad.leakscope"


def _refused(path: Path) -> InputError:
    """What ``load`` says of ``path``: one line and help."""
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.help
    return caught.value


def _members(intact: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(intact)) as container:
        return {name: container.read(name) for name in container.namelist()}


def _write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    """A well-formed container with valid checksums around whatever ``members`` hold."""
    with zipfile.ZipFile(path, "w", method) as container:
        for name, data in members.items():
            container.writestr(zipfile.ZipInfo(name), data, compress_type=method)


def _with_meta(intact: bytes, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    members = _members(intact)
    meta = json.loads(members["meta.json"])
    change(meta)
    members["meta.json"] = json.dumps(meta).encode()
    return members


def _parquet(table: pa.Table, **options: Any) -> bytes:
    """``table`` as ``leakscope`` would store it, but for ``options``."""
    ascending = {"address", "source"} & set(table.column_names)
    usual = {
        "compression": "zstd",
        "store_schema": False,
        "use_dictionary": ["type", "own_size", "flags", "kind", "origin"],
        "column_encoding": dict.fromkeys(ascending, "DELTA_BINARY_PACKED") or None,
    }
    file = io.BytesIO()
    pq.write_table(table, file, **{**usual, **options})
    return file.getvalue()


# Damage


def test_cut_at_every_kilobyte(intact: bytes, path: Path) -> None:
    """And around every member's beginning and end of the directory."""
    assert len(intact) > 100_000
    for length in [*range(1024, len(intact), 1024), 1, 3, 4, 21, len(intact) - 1, len(intact) - 22]:
        path.write_bytes(intact[:length])
        _refused(path)


def test_flipped_bytes(intact: bytes, path: Path) -> None:
    """The graph is the same (the byte means nothing) or the file is refused."""
    dice = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(intact)
        for _ in range(dice.choice([1, 1, 1, 5])):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        refused += _is_refused_or_equal(path)
    assert refused > 350


def test_flipped_bytes_of_the_directory(intact: bytes, path: Path) -> None:
    """Every byte of the container's own tables, where no checksum guards."""
    directory = intact.rindex(b"PK\x01\x02meta.json"[:4], 0, intact.index(b"PK\x01\x02") + 4)
    for at in [*range(60), *range(directory, len(intact))]:
        damaged = bytearray(intact)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        _is_refused_or_equal(path)


def _is_refused_or_equal(path: Path) -> bool:
    try:
        found = load(path)
    except InputError:
        return True
    assert_equal(found, GRAPH)
    return False


def test_flipped_bytes_with_valid_checksums(intact: bytes, path: Path) -> None:
    """Damage that no checksum shows: what loads is a graph that can be walked."""
    dice, members = random.Random(1), _members(intact)
    names = sorted(members)
    for _ in range(600):
        name = dice.choice(names)
        damaged = bytearray(members[name])
        # Most of a member is data; its page headers and footer are where parsers go astray.
        at = dice.choice([dice.randrange(len(damaged)), dice.randrange(min(len(damaged), 64)), -1])
        at = at if at >= 0 else max(len(damaged) - dice.randrange(1, 400), 0)
        damaged[at] = dice.choice([damaged[at] ^ (1 << dice.randrange(8)), 0, 0xFF, 0x7F])
        _write(path, {**members, name: bytes(damaged)})
        try:
            found = load(path)
        except InputError:
            continue
        check(found)


def test_random_bytes_behind_the_magic(path: Path) -> None:
    """Neither zip nor Parquet."""
    dice = random.Random(2)
    for length in (4, 30, 1000, 100_000):
        path.write_bytes(b"PK\x03\x04" + dice.randbytes(length))
        assert "damaged" in _refused(path).message


# Foreign files


@pytest.mark.parametrize("content", [b"x", b"\x7fELF" + bytes(99), b"JAVA PROFILE 1.0.2\0", b"{}", bytes(5000)])
def test_other_formats(path: Path, content: bytes) -> None:
    """The magic number tells."""
    path.write_bytes(content)
    assert "not a leakscope snapshot" in _refused(path).message


def test_another_zip_file(path: Path) -> None:
    """A wheel, for one."""
    _write(path, {"leakscope/__init__.py": b""})
    assert "meta.json is missing" in _refused(path).message


def test_no_file(path: Path) -> None:
    """The reason is the kernel's."""
    assert "No such file" in _refused(path).message


def test_zero_length(path: Path) -> None:
    """Says so."""
    path.touch()
    assert "empty" in _refused(path).message


def test_a_folder(tmp_path: Path) -> None:
    """Says so."""
    assert "folder" in _refused(tmp_path).message


def test_devices_and_fifos(tmp_path: Path) -> None:
    """Neither read without end nor waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("fifo", "zero"):
        assert "not a regular file" in _refused(tmp_path / name).message
    assert "symbolic links" in _refused(tmp_path / "loop").message


def test_a_file_one_may_not_read(path: Path, intact: bytes) -> None:
    """As a user without rights, in a child, since root may read everything."""
    path.write_bytes(intact)
    path.chmod(0)
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            load(path)
        except InputError as error:
            os._exit(0 if "Permission denied" in error.message else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Members and meta.json


@pytest.mark.parametrize("missing", ["meta.json", *(f"{table}.parquet" for table in TABLES)])
def test_a_missing_member(intact: bytes, path: Path, missing: str) -> None:
    """Is named."""
    _write(path, {name: data for name, data in _members(intact).items() if name != missing})
    assert f"{missing} is missing" in _refused(path).message


def test_members_too_many_twice_or_in_another_order(intact: bytes, path: Path) -> None:
    """Only the exact list will do."""
    members = _members(intact)
    for odd in ({**members, "../evil": b""}, dict(reversed(members.items()))):
        _write(path, odd)
        assert "unexpected members" in _refused(path).message
    _write(path, members)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as container:
        container.writestr("meta.json", b"{}")
    assert "unexpected members" in _refused(path).message


def test_compressed_members(intact: bytes, path: Path) -> None:
    """A bomb begins with compression; ours is inside Parquet and bounded there."""
    _write(path, _members(intact), zipfile.ZIP_DEFLATED)
    assert "not stored plainly" in _refused(path).message


def test_a_newer_schema(intact: bytes, path: Path) -> None:
    """Says who wrote it and to upgrade; before anything else is looked at but the member list."""

    def newer(meta: dict[str, Any]) -> None:
        meta.update(schema=2, leakscope="9.9.0", rows="another layout")

    _write(path, _with_meta(intact, newer))
    refusal = _refused(path)
    assert "newer leakscope" in refusal.message
    assert "9.9.0" in refusal.message
    assert "upgrade" in refusal.help


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.update(schema=0),
        lambda meta: meta.update(schema=True),
        lambda meta: meta.update(schema="1"),
        lambda meta: meta.update(leakscope=None),
        lambda meta: meta.update(format="other"),
        lambda meta: meta.update(facts=[]),
        lambda meta: meta.update(facts={"pause_ms": float("nan")}),
        lambda meta: meta.update(rows=[]),
        lambda meta: meta["rows"].pop("types"),
        lambda meta: meta["rows"].update(other=1),
        lambda meta: meta["rows"].update(objects=-1),
        lambda meta: meta["rows"].update(objects=1.0),
        lambda meta: meta["rows"].update(objects=10**30),
        lambda meta: meta["rows"].update(objects=19_999),
        lambda meta: meta["rows"].update(references=2**31 - 1),
        lambda meta: meta["rows"].update(names=2**31 - 1),
    ],
)
def test_a_meta_that_lies(intact: bytes, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Types, ranges, sizes that the file cannot hold."""
    _write(path, _with_meta(intact, change))
    _refused(path)


@pytest.mark.parametrize("text", [b"", b"[", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1' + b"1" * 9999])
def test_a_meta_that_is_no_json(intact: bytes, path: Path, text: bytes) -> None:
    """Also by ``load_meta``."""
    _write(path, {**_members(intact), "meta.json": text})
    _refused(path)
    with pytest.raises(InputError):
        load_meta(path)


# Tables


def _replaced(intact: bytes, path: Path, table: str, data: bytes) -> InputError:
    _write(path, {**_members(intact), f"{table}.parquet": data})
    return _refused(path)


def _table(intact: bytes, table: str) -> pa.Table:
    return pq.read_table(io.BytesIO(_members(intact)[f"{table}.parquet"]))


def test_other_columns(intact: bytes, path: Path) -> None:
    """Another type, name, order, number of columns; nulls; an extension type."""
    roots = _table(intact, "roots")
    widened = roots.set_column(0, "node", roots["node"].cast(pa.int64()))
    nullable = roots.cast(pa.schema([field.with_nullable(True) for field in roots.schema]))
    others = [widened, nullable, roots.select(["kind", "node", "name", "origin"]), roots.drop_columns("name")]
    others.append(roots.rename_columns(["node", "kind", "label", "origin"]))
    for other in others:
        assert "other columns" in _replaced(intact, path, "roots", _parquet(other)).message


def test_other_row_counts(intact: bytes, path: Path) -> None:
    """Fewer rows than meta.json says; row groups without number."""
    names, schema = _table(intact, "names"), TABLES["names"]
    assert "rows" in _replaced(intact, path, "names", _parquet(names.slice(1))).message
    empty = io.BytesIO()
    with pq.ParquetWriter(empty, schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(names)
        for _ in range(50):
            writer.write_table(names.slice(0, 0))
    assert "pieces" in _replaced(intact, path, "names", empty.getvalue()).message


def test_texts_that_are_not_utf8(intact: bytes, path: Path) -> None:
    """Arrow hands them out as they are; Python refuses."""
    raw = pa.array([b"\xff\xfe", b"ok"], pa.binary()).view(pa.string())
    table = pa.Table.from_arrays([raw], schema=TABLES["names"])
    _replaced(intact, path, "names", _parquet(table))


def test_a_bomb_of_one_long_text(intact: bytes, path: Path) -> None:
    """Two rows may stand for gigabytes through a dictionary, or through one page of zeros."""
    long = pa.Table.from_arrays([pa.array(["x" * 9_000_000] * 2)], schema=TABLES["names"])
    data = _parquet(long, use_dictionary=True)
    assert len(data) < 10_000
    assert "page" in _replaced(intact, path, "names", data).message


def test_a_page_that_claims_gigabytes(intact: bytes, path: Path) -> None:
    """The size in a page's header is believed by Arrow; it is bounded before Arrow sees it."""
    data = _members(intact)["names.parquet"]
    assert data[4:7] == b"\x15\x00\x15"  # field 1, the kind: data page; then field 2, the unpacked size
    end = next(at for at in range(7, 12) if data[at] < 0x80) + 1
    gigabytes = b"\xfe\xff\xff\xff\x0f"  # 2**31 - 1
    huge = data[:7] + gigabytes + data[end:]
    assert "names.parquet" in _replaced(intact, path, "names", huge).message


def test_an_encoding_that_multiplies(intact: bytes, path: Path) -> None:
    """Shared prefixes let a few bytes stand for many; no table of ours is stored so."""
    data = _parquet(_table(intact, "names"), column_encoding={"name": "DELTA_BYTE_ARRAY"})
    assert "encoding" in _replaced(intact, path, "names", data).message


def test_another_compression(intact: bytes, path: Path) -> None:
    """Not even none: every page is held to the same bounds."""
    for compression in ("none", "gzip", "snappy"):
        data = _parquet(_table(intact, "names"), compression=compression)
        assert "not stored as expected" in _replaced(intact, path, "names", data).message


@pytest.mark.parametrize(
    ("table", "column", "value", "problem"),
    [
        ("objects", "address", 1, "ascend"),
        ("objects", "type", -1, "type"),
        ("objects", "type", 10, "type"),
        ("objects", "own_size", -1, "own_size"),
        ("objects", "own_size", 1 << 62, "own_size"),
        ("references", "source", 20_000, "source"),
        ("references", "source", -1, "source"),
        ("references", "target", 20_000, "target"),
        ("references", "target", -2, "target"),
        ("references", "kind", 200, "kind"),
        ("references", "label", -7, "label"),
        ("types", "node", 20_000, "node"),
        ("types", "base", 99, "base"),
        ("types", "origin", 9, "origin"),
        ("labels", "node", 20_000, "node"),
        ("labels", "name", 2, "name"),
        ("frames", "node", 0, "node"),
        ("frames", "function", -1, "function"),
        ("frames", "file", 2, "file"),
        ("frames", "line", -1, "line"),
        ("roots", "node", -1, "node"),
        ("roots", "kind", 77, "kind"),
        ("roots", "kind", 0, "kind"),
        ("roots", "name", 2, "name"),
        ("roots", "origin", 4, "origin"),
    ],
)
def test_an_index_out_of_range(intact: bytes, path: Path, table: str, column: str, value: int, problem: str) -> None:
    """One wrong number in an otherwise perfect file; the message names the column."""
    content = _table(intact, table)
    values = content[column].to_numpy().copy()
    values[len(values) - 1] = value
    changed = content.set_column(
        content.schema.get_field_index(column), content.schema.field(column), [pa.array(values)]
    )
    ours = {
        "use_dictionary": ["type", "own_size", "flags", "kind", "origin"],
        "column_encoding": dict.fromkeys({"address", "source"} & set(content.schema.names), "DELTA_BINARY_PACKED"),
    }
    assert problem in _replaced(intact, path, table, _parquet(changed, **ours)).message


def test_bases_in_a_circle() -> None:
    """Walking from class to base must end."""
    for count in (1, 2, 3, 50, 64):
        base = np.roll(np.arange(count, dtype=np.int32), 1)
        nothing = np.full(count, -1, np.int32)
        types = Types([str(n) for n in range(count)], nothing, base, np.zeros(count, np.uint8))
        graph = replace(GRAPH, types=types, type=np.zeros_like(GRAPH.type))
        with pytest.raises(BadGraph, match="circle"):
            check(graph)
        base[0] = -1
        check(graph)


def test_first_ref_that_does_not_fit() -> None:
    """Only the writer can be wrong here, since the file holds no such column."""
    for change in (GRAPH.first_ref[:-1], GRAPH.first_ref + 1, np.flip(GRAPH.first_ref)):
        with pytest.raises(BadGraph):
            check(replace(GRAPH, first_ref=change))
