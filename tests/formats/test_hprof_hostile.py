"""Heap dumps of JVMs that are damaged or made to deceive: refused in one line, or read as far as they make sense."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from leakscope.analysis.index import HeapIndex
from leakscope.errors import InputError
from leakscope.formats.checks import check
from leakscope.formats.dumps import HPROF, load_dump
from leakscope.graph.heap import HeapGraph
from tests.cli.support import leakscope
from tests.formats.hprof_made import JAVA_FRAME, STICKY, THREAD, Class, Made, record


def load(path: Path, content: bytes) -> HeapGraph:
    """Reads it, and checks that nothing in the graph points outside of it."""
    path.write_bytes(content)
    graph, _ = load_dump(path, HPROF)
    check(graph)
    assert len(HeapIndex(graph).retained) == graph.objects
    return graph


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        load(path, content)
    assert caught.value.help
    assert "\n" not in caught.value.message
    return caught.value.message


def everything(id_bytes: int = 8) -> Made:
    """One of each kind of record."""
    made = Made(id_bytes)
    main = made.class_("app.Main", number="I", next="L")
    made.trace(9, [made.frame("serve", "Main.java", main, 42)], 1)
    session = made.object(main, number=7)
    made.static(main, "SESSIONS", made.array([session, made.string("text")]))
    made.static(main, "COUNT", 3, "J")
    made.numbers("D", [0.5, 1.5])
    made.jni_global(session)
    made.root(THREAD, made.object(made.class_("java.lang.Thread", name="L")), 1, 9)
    made.root(JAVA_FRAME, session, 1, 0)
    for tag, more in ((0xFF, ()), (0x02, (1, 0)), (0x04, (1,)), (0x06, (1,)), (0x07, ())):
        made.root(tag, session, *more)
    return made


@pytest.mark.parametrize("id_bytes", [4, 8])
@pytest.mark.parametrize("segments", [0, 1, 4])
def test_dumps_that_are_cut_off_anywhere_are_refused(tmp_path: Path, id_bytes: int, segments: int) -> None:
    whole = everything(id_bytes).content(segments)
    # Of an old dump, which is one record, the record without content that ends other dumps may be missing.
    for end in range(len(whole) - (9 if segments == 0 else 0)):
        refusal(tmp_path / "cut.hprof", whole[:end])
    assert load(tmp_path / "whole.hprof", whole).objects > 10


def test_any_byte_may_be_anything(tmp_path: Path) -> None:
    whole = everything().content()
    tried = read = 0
    for at in range(0, len(whole), 3):
        for value in {0xFF, whole[at] ^ 1} - {whole[at]}:
            tried += 1
            try:
                load(tmp_path / "made.hprof", whole[:at] + bytes([value]) + whole[at + 1 :])
                read += 1
            except InputError as error:
                assert error.help
    assert 0 < read < tried


def test_unknown_records_are_refused_with_their_offset(tmp_path: Path) -> None:
    made = everything()
    before = len(made.header()) + sum(map(len, made.top))
    made.record(0x55, b"?")
    assert f"offset {before:,} stands a record of an unknown kind (0x55)" in refusal(tmp_path / "a", made.content())
    made = everything()
    made.heap.append(bytes([0x8D]) + made.id(5))
    at = len(made.content()) - 9 - 9
    told = refusal(tmp_path / "b", made.content())
    assert f"offset {at:,} stands an object of an unknown kind (0x8d)" in told


@pytest.mark.parametrize("count", [0x7FFFFFFF, 0xFFFFFFFF, 1000])
@pytest.mark.parametrize("tag", [0x21, 0x22, 0x23])
def test_counts_that_lie_are_refused_before_anything_is_made_for_them(tmp_path: Path, tag: int, count: int) -> None:
    made = everything()
    head = bytes([tag]) + made.id(made.new_id()) + bytes(4)
    number = struct.pack(">I", count)
    middle = {0x21: made.id(made.object_class.id) + number, 0x22: number + made.id(1), 0x23: number + b"\x0b"}
    made.heap.append(head + middle[tag])
    assert "is cut off" in refusal(tmp_path / "made.hprof", made.content())


def test_instances_shorter_than_their_fields_are_refused_with_their_offset(tmp_path: Path) -> None:
    made = Made()
    wide = made.class_("app.Wide", one="L", two="L")
    short = Class(wide.id, wide.name, wide.base, {"one": "L"})
    made.object(short)
    content = made.content()
    at = len(content) - len(record(0x2C, b"")) - len(made.heap[-1])
    assert f"object at offset {at:,} is shorter than the fields" in refusal(tmp_path / "made.hprof", content)


@pytest.mark.parametrize("id", [0, 1 << 63, (1 << 64) - 1])
def test_ids_that_no_object_has_are_refused(tmp_path: Path, id: int) -> None:
    made = everything()
    made.object(made.object_class, at=id)
    assert "impossible id" in refusal(tmp_path / "made.hprof", made.content())


@pytest.mark.parametrize("body", [b"", b"\0" * 7])
@pytest.mark.parametrize("tag", [0x01, 0x02, 0x04, 0x05])
def test_records_too_short_for_their_kind_are_refused(tmp_path: Path, tag: int, body: bytes) -> None:
    made = everything()
    made.record(tag, body)
    assert "impossible length" in refusal(tmp_path / "made.hprof", made.content())


def test_stacks_may_name_frames_and_classes_that_are_not_there(tmp_path: Path) -> None:
    made = everything()
    made.trace(9, [0xDEAD, 0xBEEF], 1)
    for depth in (0, 1, 2, 0x7FFFFFFF):
        made.root(JAVA_FRAME, made.string("x"), 1, depth)
        made.root(JAVA_FRAME, made.string("y"), 0xFFFFFFFF, depth)
    made.root(JAVA_FRAME, 0xDEAD, 1, 0)
    made.root(STICKY, 0xDEAD)
    graph = load(tmp_path / "made.hprof", made.content())
    assert len(graph.frames.node) == 8


def test_frames_may_lack_their_stacks_and_threads(tmp_path: Path) -> None:
    made = Made()
    made.frame("serve", "Main.java", made.object_class, 42)
    made.root(THREAD, made.string("no thread"), 1, 9)
    made.root(JAVA_FRAME, made.string("held"), 1, 0)
    made.root(JAVA_FRAME, made.string("held"), 2, 0)
    graph = load(tmp_path / "made.hprof", made.content())
    assert [graph.names[each] for each in graph.frames.function.tolist()] == ["?", "?"]


@pytest.mark.parametrize(
    "header",
    [
        b"JAVA PROFILE 1.0.9\0\0\0\0\x08" + bytes(8), b"JAVA PROFILE 1.0.2\0\0\0\0\x03" + bytes(8),
        b"JAVA PROFILE 1.0.2", b"JAVA PROFILE 1.0.2\0\0\0", b"JAVA PROFILE " + b"x" * 200,
    ],
)  # fmt: skip
def test_headers_of_no_known_version_are_refused(tmp_path: Path, header: bytes) -> None:
    refusal(tmp_path / "made.hprof", header)


def test_names_stay_what_they_are_and_reach_no_terminal(tmp_path: Path) -> None:
    made = Made()
    evil = "app.\x1b[31mSession\x07\u202e<b>\n[link=x]" + "x" * 500
    cls = made.class_(evil, **{"\x1b]0;title\x07": "L"})
    made.static(made.class_("app.Main"), "A\x1b[2J", made.object(cls, **{"\x1b]0;title\x07": made.object(cls)}))
    made.class_(b"\xff\xfe\xed\xa0\x80broken")
    path = tmp_path / "made.hprof"
    graph = load(path, made.content())
    assert max(map(len, graph.names)) <= 200
    for command in (["top"], ["chains", "--class", "app.*"], ["suspects"], ["sessions"]):
        done = leakscope(command[0], path, *command[1:])
        assert done.returncode == 0, done.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr)
    assert "Session" in leakscope("top", path).stdout


def test_values_of_texts_do_not_leave_the_file(tmp_path: Path) -> None:
    made = Made()
    session = made.class_("app.Session", token="L", id="L")
    secret = "s3cret-value-of-a-text"
    made.static(
        made.class_("app.Main"), "LAST", made.object(session, token=made.string(secret), id=made.string(secret + "2"))
    )
    path, taken = tmp_path / "made.hprof", tmp_path / "taken.leakscope"
    path.write_bytes(made.content())
    done = leakscope("snapshot", path, "-o", taken)
    assert done.returncode == 0, done.stderr
    told = [leakscope(command, path).stdout for command in ("sessions", "suspects", "top", "chains")]
    assert secret.encode() not in taken.read_bytes()
    assert secret not in "".join(told) + done.stdout
