"""Files that are damaged, foreign or made to harm: InputError, never another exception or a broken graph."""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leakscope.errors import InputError
from leakscope.formats.checks import check
from leakscope.formats.layout import SCHEMA, TABLES
from leakscope.formats.leakscope_file import load, load_meta
from tests.formats.graphs import assert_equal
from tests.formats.hostile import GRAPH, members_of, refused, with_meta, write_members

# Damage


def test_cut_at_every_kilobyte(intact: bytes, path: Path) -> None:
    """And around every member's beginning and end of the directory."""
    assert len(intact) > 100_000
    for length in [*range(1024, len(intact), 1024), 1, 3, 4, 21, len(intact) - 1, len(intact) - 22]:
        path.write_bytes(intact[:length])
        refused(path)


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
    dice, members = random.Random(1), members_of(intact)
    names = sorted(members)
    for _ in range(600):
        name = dice.choice(names)
        damaged = bytearray(members[name])
        # Most of a member is data; its page headers and footer are where parsers go astray.
        at = dice.choice([dice.randrange(len(damaged)), dice.randrange(min(len(damaged), 64)), -1])
        at = at if at >= 0 else max(len(damaged) - dice.randrange(1, 400), 0)
        damaged[at] = dice.choice([damaged[at] ^ (1 << dice.randrange(8)), 0, 0xFF, 0x7F])
        write_members(path, {**members, name: bytes(damaged)})
        try:
            found = load(path)
        except InputError as refusal:
            assert "damaged" in refusal.message or name == "meta.json"
            continue
        check(found)


def test_random_bytes_behind_the_magic(path: Path) -> None:
    """Neither zip nor Parquet."""
    dice = random.Random(2)
    for length in (4, 30, 1000, 100_000):
        path.write_bytes(b"PK\x03\x04" + dice.randbytes(length))
        assert "damaged" in refused(path).message


# Foreign files


@pytest.mark.parametrize("content", [b"x", b"\x7fELF" + bytes(99), b"JAVA PROFILE 1.0.2\0", b"{}", bytes(5000)])
def test_other_formats(path: Path, content: bytes) -> None:
    """The magic number tells."""
    path.write_bytes(content)
    assert "not a leakscope snapshot" in refused(path).message


def test_another_zip_file(path: Path) -> None:
    """A wheel, for one."""
    write_members(path, {"leakscope/__init__.py": b""})
    assert "meta.json is missing" in refused(path).message


def test_no_file(path: Path) -> None:
    """The reason is the kernel's."""
    assert "No such file" in refused(path).message


def test_zero_length(path: Path) -> None:
    """Says so."""
    path.touch()
    assert "empty" in refused(path).message


def test_a_folder(tmp_path: Path) -> None:
    """Says so."""
    assert "folder" in refused(tmp_path).message


def test_devices_and_fifos(tmp_path: Path) -> None:
    """Neither read without end nor waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("fifo", "zero"):
        assert "not a regular file" in refused(tmp_path / name).message
    assert "symbolic links" in refused(tmp_path / "loop").message


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
    write_members(path, {name: data for name, data in members_of(intact).items() if name != missing})
    assert f"{missing} is missing" in refused(path).message


def test_members_too_many_twice_or_in_another_order(intact: bytes, path: Path) -> None:
    """Only the exact list will do."""
    members = members_of(intact)
    for odd in ({**members, "../evil": b""}, dict(reversed(members.items()))):
        write_members(path, odd)
        assert "unexpected members" in refused(path).message
    write_members(path, members)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as container:
        container.writestr("meta.json", b"{}")
    assert "unexpected members" in refused(path).message


def test_compressed_members(intact: bytes, path: Path) -> None:
    """A bomb begins with compression; ours is inside Parquet and bounded there."""
    write_members(path, members_of(intact), zipfile.ZIP_DEFLATED)
    assert "not stored plainly" in refused(path).message


def test_a_newer_schema(intact: bytes, path: Path) -> None:
    """Says who wrote it and to upgrade; before anything else is looked at, the list of members too."""

    def newer(meta: dict[str, Any]) -> None:
        meta.update(schema=SCHEMA + 1, leakscope="9.9.0", rows="another layout")

    write_members(path, {**with_meta(intact, newer), "more.parquet": b""})
    refusal = refused(path)
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
        lambda meta: meta.update(schema=1),
        lambda meta: meta.pop("without"),
        lambda meta: meta.update(without="sessions"),
        lambda meta: meta.update(without=["sessions"]),
        lambda meta: meta.update(without=["roots"]),
        lambda meta: meta.update(without=[["sessions"]]),
        lambda meta: meta["rows"].update(bounds=2**31 - 1),
    ],
)
def test_a_meta_that_lies(intact: bytes, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Types, ranges, sizes that the file cannot hold."""
    write_members(path, with_meta(intact, change))
    refused(path)


@pytest.mark.parametrize("text", [b"", b"[", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1' + b"1" * 9999])
def test_a_meta_that_is_no_json(intact: bytes, path: Path, text: bytes) -> None:
    """Also by ``load_meta``."""
    write_members(path, {**members_of(intact), "meta.json": text})
    refused(path)
    with pytest.raises(InputError):
        load_meta(path)
