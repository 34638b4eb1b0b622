"""Files of other runtimes: what a file is told to be, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections import namedtuple
from pathlib import Path

import pytest

from leakscope.errors import InputError
from leakscope.formats import dumps
from leakscope.formats.dumps import HPROF, HPROF_GZIP, V8, dump_facts, load_dump, recognised
from tests.cli.support import leakscope
from tests.formats.hprof_made import Made
from tests.formats.v8_made import Made as MadeOfV8


def heap(objects: int = 100) -> bytes:
    made = Made()
    session = made.class_("app.Session", next="L")
    made.static(made.class_("app.Main"), "OPEN", made.array([made.object(session) for _ in range(objects)]))
    return made.content()


def written(folder: Path, content: bytes, name: str = "dump") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def packed(content: bytes, block: int) -> bytes:
    """As ``jcmd PID GC.heap_dump -gz=1`` writes it: each block by itself, its size told in the first one's comment."""
    parts = [content[at : at + block] for at in range(0, len(content), block)]
    first = gzip.compress(parts[0])
    commented = first[:3] + bytes([first[3] | 0x10]) + first[4:10] + b"HPROF BLOCKSIZE=%d\0" % block + first[10:]
    return commented + b"".join(map(gzip.compress, parts[1:]))


def test_files_are_known_by_how_they_begin_and_not_by_their_names(tmp_path: Path) -> None:
    assert recognised(written(tmp_path, heap(), "a.json")) == HPROF
    assert recognised(written(tmp_path, packed(heap(), 1 << 20), "a.txt")) == HPROF_GZIP
    assert recognised(written(tmp_path, MadeOfV8().content(), "a.hprof")) == V8
    for other in (b"", b"PAR1", b"JAVA", b"{}", gzip.compress(b"text"), b"\x1f\x8b\x08", b"\x7fELF"):
        assert recognised(written(tmp_path, other)) is None
    assert recognised(tmp_path) is None
    assert recognised(tmp_path / "none") is None
    assert recognised(tmp_path / ("x" * 5000)) is None


@pytest.mark.parametrize(
    ("content", "name", "instead"),
    [
        (b"JAVA PROFILE 1.0.3\0\0\0\0\x04" + bytes(8), "a heap dump of Android", "hprof-conv"),
        (b"\0\x12portable heap dump\0\0\0\x06", "portable heap dump (PHD) of OpenJ9", "Xdump:system"),
        (b"go1.7 heap dump\n\x06", "Go's own heap dump", "/debug/pprof/heap"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_kinds_that_cannot_be_read_are_refused_by_name(
    tmp_path: Path, content: bytes, name: str, instead: str, pack: type[bytes]
) -> None:
    path = written(tmp_path, pack(content))
    for command in ("sessions", "suspects", "snapshot"):
        done = leakscope(command, path)
        assert done.returncode == 3, done.stderr
        assert name in done.stderr
        assert instead in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("block", [100, 1000, 1 << 20])
def test_packed_dumps_hold_the_same(tmp_path: Path, block: int) -> None:
    plain, _ = load_dump(written(tmp_path, heap()), HPROF)
    path = written(tmp_path, packed(heap(), block), "packed")
    graph, _ = load_dump(path, HPROF_GZIP)
    assert graph.address.tolist() == plain.address.tolist()
    assert graph.target.tolist() == plain.target.tolist()
    facts = dump_facts(path, HPROF_GZIP)
    assert facts is not None
    assert facts["captured_at"] == plain.facts["captured_at"]


def test_packed_dumps_that_are_cut_off_or_damaged_are_refused(tmp_path: Path) -> None:
    whole = packed(heap(), 1000)
    for end in range(60, len(whole), 7):
        with pytest.raises(InputError):
            load_dump(written(tmp_path, whole[:end]), HPROF_GZIP)
    for at in range(60, len(whole), 97):
        with pytest.raises(InputError):
            load_dump(written(tmp_path, whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]), HPROF_GZIP)


def test_what_unpacks_to_more_than_a_heap_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(heap()) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "unpacked"))
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(InputError, match="unpacks to more than 250 times its size"):
        load_dump(written(tmp_path, bomb), HPROF_GZIP)
    assert not list((tmp_path / "unpacked").iterdir())


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, packed(heap(), 1000))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(dumps, "_LEAVE_FREE", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    with pytest.raises(InputError, match="no room left") as caught:
        load_dump(path, HPROF_GZIP)
    assert "TMPDIR" in caught.value.help


def test_what_a_dump_is_comes_before_what_an_option_is_for(tmp_path: Path) -> None:
    path = written(tmp_path, heap())
    for options in (["--pause", "none"], ["--max-memory", "1G"], ["--exe", "/bin/true"]):
        done = leakscope("sessions", path, *options)
        assert done.returncode == 2, done.stderr
        assert f"{options[0]}" in done.stderr
        assert "goes with a" in done.stderr


def test_a_dump_becomes_a_snapshot_with_the_same_answers(tmp_path: Path) -> None:
    path, taken = written(tmp_path, heap(10_000), "app.hprof"), tmp_path / "app.leakscope"
    assert leakscope("snapshot", path, "-o", taken).returncode == 0
    assert taken.stat().st_size < path.stat().st_size
    for command in (["sessions"], ["top"], ["chains", "--class", "app.Session"]):
        answers = [leakscope(command[0], source, *command[1:], "--no-color").stdout for source in (path, taken)]
        assert answers[0] == answers[1]
        assert "app.Session" in answers[0]
