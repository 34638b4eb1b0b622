"""Heap dumps of JVMs: what is read of them, of made ones whose every object is known."""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import instances_of
from leakscope.formats.checks import check
from leakscope.formats.dumps import HPROF, load_dump
from leakscope.formats.hprof.values import JvmValues
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Origin, Ref
from leakscope.graph.values import UNKNOWN_MASK, Value
from leakscope.kernels.hprof_ids import Ids
from tests.analysis import oracles
from tests.formats.hprof_made import JAVA_FRAME, STEP, STICKY, THREAD, Class, Made

Read = Callable[..., tuple[HeapGraph, JvmValues]]
NODE = "java.util.HashMap$Node"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads what was made, and checks that nothing in the graph points outside of it."""

    def load(made: Made | bytes, reveal: bool = False) -> tuple[HeapGraph, JvmValues]:
        path = tmp_path / "made.hprof"
        path.write_bytes(made if isinstance(made, bytes) else made.content())
        graph, values = load_dump(path, HPROF, reveal=reveal)
        check(graph)
        assert isinstance(values, JvmValues)
        return graph, values

    return load


def ways(graph: HeapGraph, class_: str = "app.Session") -> list[str]:
    """How the objects of a class are held, as users read it."""
    return [each.text for each in cluster_chains(HeapIndex(graph), instances_of(graph, class_))]


def node(graph: HeapGraph, id: int) -> int:
    (found,) = np.flatnonzero(graph.address == id).tolist()
    return int(found)


def mask(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big")


def held(made: Made, name: str, what: int) -> Class:
    """A class of the user's whose class variable refers to it."""
    main = made.classes.get("app.Main") or made.class_("app.Main")
    made.static(main, name, what)
    return main


def hash_map(made: Made, *entries: tuple[int, int], name: str = "java.util.HashMap") -> int:
    """A map; all its entries in one bin."""
    entry = made.classes.get(NODE) or made.class_(NODE, hash="I", key="L", value="L", next="L")
    cls = made.classes.get(name) or made.class_(name, size="I", table="L")
    following = 0
    for key, value in reversed(entries):
        following = made.object(entry, key=key, value=value, next=following)
    return made.object(cls, size=len(entries), table=made.array([0, following, 0]))


@pytest.mark.parametrize("classes_last", [False, True])
@pytest.mark.parametrize("segments", [0, 1, 3, 1000])
@pytest.mark.parametrize("id_bytes", [4, 8])
def test_dumps_of_all_widths_and_partings_hold_the_same(
    read: Read, id_bytes: int, segments: int, classes_last: bool
) -> None:
    made = Made(id_bytes)
    base = made.class_("app.Base", small="S", owner="L")
    session = made.class_("app.Session", base, closed="Z", next="L", number="J")
    last = made.object(session, owner=made.object(made.class_("app.User")))
    held(made, "FIRST", made.array([0, made.object(session, next=last)]))
    graph, _ = read(made.content(segments, classes_last))
    assert ways(graph, "app.User") == ["app.Main.FIRST[1].next.owner -> app.User"]
    assert graph.types.name[graph.type[node(graph, last)]] == "app.Session"
    assert graph.types.base[graph.types.name.index("app.Session")] == graph.types.name.index("app.Base")
    assert graph.facts["runtime"] == "jvm"
    assert graph.facts["captured_at"] == 1_700_000_000.0


def test_unknown_reasons_at_the_top_do_not_hide_the_heap(read: Read) -> None:
    made = Made()
    for tag in (0x03, 0x06, 0x07, 0x0A, 0x0B, 0x0D, 0x0E):
        made.record(tag, bytes(6))
    held(made, "ONE", made.object(made.class_("app.Session")))
    assert ways(read(made)[0]) == ["app.Main.ONE -> app.Session"]


def test_maps_are_shown_by_their_masked_keys_and_revealed_when_asked(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session")
    entries = [(made.string(key), made.object(session)) for key in ("ann", "böb", "世\U0001f600")]
    held(made, "BY_ID", hash_map(made, *entries))
    graph, _ = read(made)
    told = cluster_chains(HeapIndex(graph), np.array([node(graph, entries[1][1])], dtype=np.int32))
    assert [each.text for each in told] == [f"app.Main.BY_ID['#{mask('böb'):012x}'] -> app.Session"]
    (one,) = cluster_chains(HeapIndex(graph), instances_of(graph, "app.Session"))
    assert one.count == 3
    graph, _ = read(made, reveal=True)
    assert {name for name in graph.names if name.startswith("'")} == {"'ann'", "'böb'", "'世\U0001f600'"}


def test_collections_are_one_step(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session")

    def one() -> int:
        return made.object(session)

    entry = made.class_("java.util.LinkedList$Node", item="L", next="L", prev="L")
    chain = made.object(entry, item=one(), next=made.object(entry, item=made.object(session)))
    tree = made.class_("java.util.TreeMap$Entry", key="L", value="L", left="L", right="L")
    leaf = made.object(tree, key=made.string("k"), value=one())
    set_class = made.class_("java.util.HashSet", map="L")
    plain = made.object(made.object_class)
    contents = {
        "LIST": made.object(made.class_("java.util.ArrayList", elementData="L"), elementData=made.array([one(), 0])),
        "LINKED": made.object(made.class_("java.util.LinkedList", first="L"), first=chain),
        "TREE": made.object(made.class_("java.util.TreeMap", root="L"), root=made.object(tree, left=leaf)),
        "SET": made.object(set_class, map=hash_map(made, (one(), plain))),
        "SAME": made.object(
            made.class_("java.util.IdentityHashMap", table="L"), table=made.array([made.string("k"), one()])
        ),
    }
    for name, what in contents.items():
        held(made, name, what)
    key = f"['#{mask('k'):012x}']"
    assert set(ways(read(made)[0])) == {
        "app.Main.LIST[0] -> app.Session",
        "app.Main.LINKED[0] -> app.Session",
        f"app.Main.TREE{key} -> app.Session",
        "app.Main.SET, member -> app.Session",
        f"app.Main.SAME{key} -> app.Session",
    }


def test_entries_in_circles_and_lists_of_any_length_come_to_an_end(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session")
    entry = made.class_(NODE, hash="I", key="L", value="L", next="L")
    own = made.new_id()
    made.object(entry, at=own, key=made.string("k"), value=made.object(session), next=own)
    held(made, "ROUND", made.object(made.class_("java.util.HashMap", table="L"), table=made.array([own])))
    linked = made.class_("app.Linked", next="L")
    following = made.object(session)
    for _ in range(50_000):
        following = made.object(linked, next=following)
    held(made, "LONG", following)
    tree = made.class_("java.util.TreeMap$Entry", key="L", value="L", left="L", right="L")
    for _ in range(1000):
        following = made.object(tree, key=made.string("k"), value=following, left=following)
    held(made, "DEEP", made.object(made.class_("java.util.TreeMap", root="L"), root=following))
    graph, _ = read(made)
    assert HeapIndex(graph).live[[node(graph, own), node(graph, following)]].all()
    assert f"app.Main.ROUND['#{mask('k'):012x}'] -> app.Session" in ways(graph)


def test_weak_references_hold_nothing(read: Read) -> None:
    made = Made()
    weak = made.class_("java.lang.ref.WeakReference", made.class_("java.lang.ref.Reference", referent="L", queue="L"))
    user = made.object(made.class_("app.Session"))
    held(made, "CACHE", made.object(weak, referent=user, queue=made.object(made.class_("app.Queue"))))
    graph, _ = read(made)
    assert graph.flags[node(graph, user)] & Node.GARBAGE
    assert ways(graph, "app.Queue") == ["app.Main.CACHE.queue -> app.Queue"]


def test_frames_say_where_and_whose_they_are(read: Read) -> None:
    made = Made()
    thread = made.class_("java.lang.Thread", name="L")
    main = made.class_("app.Main")
    frames = [made.frame("read", "Files.java", made.object_class, -1), made.frame("serve", "Main.java", main, 42)]
    made.trace(9, frames, 1)
    made.root(THREAD, made.object(thread, name=made.string("http-1")), 1, 9)
    made.root(JAVA_FRAME, made.object(made.class_("app.Session")), 1, 1)
    graph, _ = read(made)
    assert ways(graph) == ["frame app.Main.serve() at Main.java:42, a local -> app.Session"]
    assert graph.names[int(graph.roots.name[graph.roots.node == graph.frames.node[0]][0])] == "http-1"


@pytest.mark.parametrize(
    ("tag", "more", "word"),
    [
        (0xFF, (), "unknown"), (0x02, (1, 0), "JNI local"), (0x04, (1,), "native stack"), (0x05, (), "system class"),
        (0x06, (1,), "thread block"), (0x07, (), "busy monitor"), (0x03, (1, 0xFFFFFFFF), "Java local"),
    ],
)  # fmt: skip
def test_reasons_to_live_are_called_as_heap_analysers_call_them(
    read: Read, tag: int, more: tuple[int, ...], word: str
) -> None:
    made = Made()
    made.root(tag, made.object(made.class_("app.Session")), *more)
    (way,) = ways(read(made)[0])
    assert word in way


def test_a_jni_global_has_two_ids(read: Read) -> None:
    made = Made()
    made.jni_global(made.object(made.class_("app.Session")))
    made.jni_global(made.object(made.class_("app.Other")))
    graph, _ = read(made)
    assert "JNI global" in ways(graph)[0]
    assert "JNI global" in ways(graph, "app.Other")[0]


def test_names_are_written_as_in_source_and_say_whose_they_are(read: Read) -> None:
    made = Made()
    names = {
        "[[Lapp.Session;": ("app.Session[][]", Origin.STDLIB),
        "[J": ("long[]", Origin.STDLIB),
        "app.Main$$Lambda$17+0x00007f1234": ("app.Main$$Lambda", Origin.USER),
        "org.apache.catalina.Manager": ("org.apache.catalina.Manager", Origin.THIRD_PARTY),
        "java.util.Own": ("java.util.Own", Origin.STDLIB),
    }
    for name in names:
        made.class_(name)
    graph, _ = read(made)
    origin = dict(zip(graph.types.name, graph.types.origin.tolist(), strict=True))
    assert {name: origin.get(name) for name, _ in names.values()} == dict(names.values())


LAYOUTS = {
    # bytes of a reference, of an object's header, of an array's with its length
    "compressed references": (4, 12, 16),
    "plain references": (8, 16, 24),
    "compressed class pointers alone": (8, 12, 16),
    "compact headers": (4, 8, 12),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes_are_those_of_the_layout_that_fits_the_places(read: Read, layout: str) -> None:
    reference, header, array = LAYOUTS[layout]
    made, at = Made(), 0x100000
    session = made.class_("app.Session", owner="L", number="J", closed="Z")
    expected: dict[int, int] = {}
    for length in (1, 3, 5, 7):
        sizes = array + length * reference, array + length, header + reference + 9
        places = [at]
        for size in sizes:
            expected[places[-1]] = (size + 7) // 8 * 8
            places.append(places[-1] + expected[places[-1]])
        made.array([0] * length, at=places[0])
        made.numbers("B", bytes(length), at=places[1])
        made.object(session, at=places[2])
        at = places[3]
    graph, _ = read(made)
    assert {place: int(graph.own_size[node(graph, place)]) for place in expected} == expected
    assert graph.facts["reference_bytes"] == reference


def test_objects_of_32_bit_machines_are_small(read: Read) -> None:
    made = Made(4)
    session = made.object(made.class_("app.Session", owner="L", number="J"))
    numbers = made.numbers("I", [1, 2, 3])
    graph, _ = read(made)
    assert [int(graph.own_size[node(graph, each)]) for each in (session, numbers)] == [24, 24]


def test_retained_sizes_are_those_found_by_deleting(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session", next="L", key="L")
    shared = made.numbers("J", range(10))
    first = [made.object(session, next=shared, key=made.string(f"key {number}")) for number in range(5)]
    held(made, "LIST", made.array([*first, made.object(session, next=first[0])]))
    held(made, "MAP", hash_map(made, (made.string("a"), made.object(session, next=shared)), (0, first[2])))
    graph, _ = read(made)
    index = HeapIndex(graph)
    assert index.retained.tolist() == [oracles.retained(graph, [each]) for each in range(graph.objects)]


def test_texts_are_masked_and_read_in_every_coding(read: Read) -> None:
    made = Made()
    texts = ["plain", "é", "世界", "\U0001f600!", "", "x" * 5000]
    new = [made.string(text) for text in texts]
    graph, values = read(made)
    nodes = np.array([node(graph, each) for each in new], dtype=np.int32)
    assert values.masks(nodes).tolist() == [mask(text) for text in texts]
    assert [values.text(each, 10_000) for each in nodes.tolist()] == texts
    assert values.values(nodes).kind.tolist() == [Value.TEXT] * len(texts)
    assert values.same_text(nodes, ["é", "世界", "none"]).tolist() == [-1, 0, 1, -1, -1, -1]


def test_texts_of_old_jvms_are_arrays_of_characters(read: Read) -> None:
    made = Made()
    old = made.class_("java.lang.String", value="L", hash="I")
    text = made.object(old, value=made.numbers("C", [ord(letter) for letter in "世 ok"]))
    graph, values = read(made)
    assert values.text(node(graph, text)) == "世 ok"
    assert values.masks(np.array([node(graph, text)], dtype=np.int32)).tolist() == [mask("世 ok")]


def test_lone_surrogates_are_texts_too(read: Read) -> None:
    made = Made()
    lone = made.string("a\ud800b")
    graph, values = read(made)
    nodes = np.array([node(graph, lone)], dtype=np.int32)
    assert values.masks(nodes).tolist() == [mask("a\ud800b")]
    told = values.text(int(nodes[0]))
    assert told is not None
    told.encode("utf-8")


def test_fields_are_worth_what_they_hold(read: Read) -> None:
    made = Made()
    state = made.class_("app.State", made.class_("java.lang.Enum", name="L", ordinal="I"))
    letters = {"z": "Z", "c": "C", "f": "F", "d": "D", "b": "B", "s": "S", "i": "I", "j": "J", "o": "L", "n": "L"}
    cls = made.class_("app.Session", **letters, box="L", when="L", date="L", state="L")
    boxed = made.object(made.class_("java.lang.Long", value="J"), value=-7)
    instant = made.class_("java.time.Instant", seconds="J", nanos="I")
    values = {"z": True, "c": 65, "f": 0.5, "d": -2.25, "b": -1, "s": -2, "i": -(2**31), "j": 2**62}
    one = made.object(
        cls, **values, o=made.object(made.object_class), box=boxed,
        when=made.object(instant, seconds=1_700_000_000, nanos=500_000_000),
        date=made.object(made.class_("java.util.Date", fastTime="J"), fastTime=1_700_000_000_250),
        state=made.object(state, name=made.string("OPEN")),
    )  # fmt: skip
    graph, source = read(made)
    here = np.array([node(graph, one)], dtype=np.int32)
    for name, expected in values.items():
        kind = Value.BOOL if name == "z" else Value.FLOAT if name in "fd" else Value.INT
        found = source.values(source.plain_fields(here, name))
        assert (found.kind[0], found.number[0]) == (kind, expected), name
    assert source.values(source.plain_fields(here, "n")).kind[0] == Value.NONE
    assert source.plain_fields(here, "o").tolist() == [-1]
    assert source.plain_fields(here, "missing").tolist() == [-1]

    def of(name: str) -> int:
        (at,) = [
            at for at in range(*graph.first_ref[here[0] : here[0] + 2].tolist())
            if graph.kind[at] == Ref.ATTR and graph.names[graph.label[at]] == name
        ]  # fmt: skip
        return int(graph.target[at])

    nodes = np.array([of(name) for name in ("box", "when", "date", "o")], dtype=np.int32)
    told = source.values(nodes)
    assert told.kind.tolist() == [Value.INT, Value.AWARE, Value.AWARE, Value.OBJECT]
    assert told.number[:3].tolist() == [-7, 1_700_000_000.5, 1_700_000_000.25]
    assert source.text(of("state")) == "OPEN"
    assert source.masks(nodes).tolist() == [mask("-7"), *[UNKNOWN_MASK] * 3]


def test_of_objects_with_one_id_the_first_stays_and_it_is_said(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session")
    twice = made.object(session)
    made.object(made.class_("app.Other"), at=twice)
    made.numbers("J", [1, 2], at=session.id)
    held(made, "ONE", twice)
    graph, _ = read(made)
    assert graph.facts["warnings"] == ["2 objects have the id of another one and are left out"]
    assert ways(graph) == ["app.Main.ONE -> app.Session"]


def test_classes_that_are_their_own_bases_and_classes_that_are_missing(read: Read) -> None:
    made = Made()
    first = made.class_("app.First", one="L")
    second = made.class_("app.Second", first, two="L")
    nowhere = Class(0x77, "app.Nowhere", None, {"one": "L"})
    thing = made.object(nowhere)
    held(made, "SECOND", made.array([thing]))
    graph, _ = read(_with_base(made, first, second))
    assert graph.types.name[graph.type[node(graph, thing)]] == "?"
    assert len(ways(graph, "?")) == 1


def _with_base(made: Made, cls: Class, base: Class) -> bytes:
    """The file, in which ``base``, a subclass of ``cls``, is its base as well; what is made has no circles."""
    raw = made.content()
    head = bytes([0x20]) + made.id(cls.id) + bytes(4)
    assert raw.count(head) == 1
    at = raw.index(head) + len(head)
    return raw[:at] + made.id(base.id) + raw[at + made.id_bytes :]


def test_ids_may_lie_anywhere(read: Read) -> None:
    made = Made()
    session = made.class_("app.Session", next="L")
    last = made.object(session, at=(1 << 63) - STEP)
    held(made, "FAR", made.object(session, at=8, next=last))
    graph, _ = read(made)
    assert sorted(ways(graph)) == ["another app.Session.next -> app.Session", "app.Main.FAR -> app.Session"]


@pytest.mark.parametrize("span", [3000, 1 << 40, (1 << 63) - 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
def test_objects_are_found_by_their_ids_and_others_are_not(count: int, span: int) -> None:
    ids = np.unique(np.random.default_rng(count).integers(1, span, count).astype(np.uint64))
    wanted = np.concatenate([ids, ids + np.uint64(1), np.array([0, 1, 1 << 63, (1 << 64) - 1], dtype=np.uint64)])
    number = {id: at for at, id in enumerate(ids.tolist())}
    assert Ids(ids).find(wanted).tolist() == [number.get(id, -1) for id in wanted.tolist()]


@pytest.mark.parametrize("said", ["nothing", "the lower half"])
def test_dumps_of_more_than_4_gb_do_not_fit_their_own_lengths(tmp_path: Path, said: str) -> None:
    made = Made()
    held(made, "ONE", made.object(made.class_("app.Session")))
    after = b"".join([*made.class_dumps(), *made.heap])
    before = made.header() + b"".join(made.top)
    largest = (1 << 31) - 1
    path = tmp_path / "large.hprof"
    with path.open("wb") as file:  # holes take no room on the disk
        file.write(before + bytes(9))
        for number in range(3):
            file.write(bytes([0x23]) + made.id(0x100000000 * (number + 1)) + bytes(4) + struct.pack(">IB", largest, 8))
            file.seek(largest, 1)
        file.write(after)
        length = file.tell() - len(before) - 9
        file.seek(len(before))
        file.write(struct.pack(">BII", 0x0C, 0, 0 if said == "nothing" else length & 0xFFFFFFFF))
    graph, _ = load_dump(path, HPROF)
    assert path.stat().st_size > 6 << 30
    assert ways(graph) == ["app.Main.ONE -> app.Session"]
    assert int(graph.own_size.max()) >= largest


def test_dumps_say_the_version_of_their_jdk(read: Read) -> None:
    made = Made()
    version = made.class_("java.lang.VersionProps")
    made.static(version, "java_version", made.string("21.0.2"))
    assert read(made)[0].facts["version"] == "21.0.2"
    assert read(Made())[0].facts["version"] is None


def test_system_classes_are_kept_by_the_system(read: Read) -> None:
    made = Made()
    made.root(STICKY, made.class_("app.Session").id)
    graph, _ = read(made)
    (row,) = [at for at, name in enumerate(graph.types.name) if name == "app.Session"]
    assert graph.flags[graph.types.node[row]] & Node.GARBAGE == 0
