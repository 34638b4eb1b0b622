"""Heap snapshots of V8: what is read of them, and what damaged and hostile ones come to."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import instances_of
from leakscope.errors import InputError
from leakscope.formats.checks import check
from leakscope.formats.v8.load import load_v8
from leakscope.formats.v8.values import V8Values, mask_of
from leakscope.graph.facts import moment, one_process
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Origin
from leakscope.graph.values import UNKNOWN_MASK, Value
from leakscope.sessions.paths import Heap
from leakscope.sessions.steps import Name
from tests.formats.v8_made import EDGE_TYPES, NODE_TYPES, Made

Read = Callable[..., tuple[HeapGraph, V8Values]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads what was made, and checks that nothing in the graph points outside of it."""

    def load(made: Made | bytes, **columns: Any) -> tuple[HeapGraph, V8Values]:
        path = tmp_path / "made.heapsnapshot"
        path.write_bytes(made if isinstance(made, bytes) else made.content(**columns))
        graph, values = load_v8(path)
        check(graph)
        return graph, values

    return load


def ways(graph: HeapGraph, class_: str = "Session") -> list[str]:
    """How the objects of a class are held, as users read it."""
    return [each.text for each in cluster_chains(HeapIndex(graph), instances_of(graph, class_))]


def value(read: Read, made: Made, node: int) -> tuple[Value, float, str | None]:
    graph, values = read(made)
    at = np.flatnonzero(graph.address == made.nodes[node]["id"]).astype(np.int32)
    found = values.values(at)
    return Value(int(found.kind[0])), float(found.number[0]), values.text(int(at[0]))


def test_properties_lead_from_the_programs_globals(read: Read) -> None:
    made = Made()
    made.held("tracker", "Tracker", last=made.node("object", "Session", size=48))
    graph, _ = read(made)
    assert ways(graph) == ["global.tracker.last -> Session"]
    assert graph.own_size[instances_of(graph, "Session")].tolist() == [48]


@pytest.mark.parametrize(
    ("node_fields", "edge_fields"),
    [
        (("type", "name", "id", "self_size", "edge_count", "trace_node_id"), ("type", "name_or_index", "to_node")),
        (("edge_count", "id", "extra", "type", "self_size", "name"), ("to_node", "extra", "type", "name_or_index")),
    ],
)
def test_columns_are_found_by_name(read: Read, node_fields: tuple[str, ...], edge_fields: tuple[str, ...]) -> None:
    made = Made(node_types=NODE_TYPES[::-1], edge_types=EDGE_TYPES[::-1])
    made.held("tracker", "Tracker", last=made.node("object", "Session"))
    graph, _ = read(made, node_fields=node_fields, edge_fields=edge_fields)
    assert ways(graph) == ["global.tracker.last -> Session"]


def test_a_prototype_is_no_instance_of_its_base(read: Read) -> None:
    made = Made()
    admin, prototype = made.node("closure", "Admin"), made.node("object", "Session")
    made.edge(admin, "property", "prototype", prototype)
    made.held("classes", "Object", Admin=admin, last=made.node("object", "Session"))
    graph, _ = read(made)
    assert ways(graph) == ["global.classes.last -> Session"]
    assert len(instances_of(graph, "(object)")) == 1


def test_weak_edges_hold_nothing(read: Read) -> None:
    made = Made()
    made.edge(made.held("tracker"), "weak", "last", made.node("object", "Session"))
    graph, _ = read(made)
    assert graph.flags[instances_of(graph, "Session")].tolist() == [Node.GARBAGE]


def test_an_entry_of_a_weak_map_lives_by_its_key_alone(read: Read) -> None:
    made = Made()
    key, session, table = made.node("object", "Key"), made.node("object", "Session"), made.node("array", "")
    weak_map = made.held("cache", "WeakMap")
    made.edge(weak_map, "internal", "table", table)
    pair = "2 / part of key (Key @3) -> value (Session @5) pair in WeakMap (table @7)"
    made.edge(key, "internal", pair, session)
    made.edge(table, "internal", pair, session)
    graph, _ = read(made)
    assert graph.flags[instances_of(graph, "Session")].tolist() == [Node.GARBAGE]
    made.held("keys", "Object", first=key)
    graph, _ = read(made)
    assert ways(graph) == ["global.keys.first -> Key.<WeakMap value> -> Session"]


def test_maps_have_entries_by_masked_key_and_sets_have_members(read: Read) -> None:
    made = Made()
    key = made.node("string", "secret")
    made.held("tracker", "Tracker", sessions=made.map((key, made.node("object", "Session"))))
    members, table = made.held("all", "Set"), made.node("array", "")
    made.edge(members, "internal", "table", table)
    made.edge(table, "internal", "5", made.node("object", "Client"))
    made.edge(table, "internal", "7", made.node("object", "Client"))
    graph, _ = read(made)
    assert ways(graph) == [f"global.tracker.sessions['#{mask_of('secret'):012x}'] -> Session"]
    assert ways(graph, "Client") == ["global.all, member -> Client"]
    assert not any("secret" in name for name in graph.names)


def test_names_in_a_dictionary_are_data(read: Read) -> None:
    made = Made()
    by_name = made.held("byName")
    for number in range(30):
        made.edge(by_name, "property", f"user{chr(97 + number % 26)}{'x' * number}", made.node("object", "Session"))
    made.edge(made.held("one"), "property", "550e8400-e29b-41d4-a716", made.node("object", "Client"))
    graph, _ = read(made)
    assert ways(graph) == ["global.byName[0] -> Session"]
    assert not any(name.startswith("user") for name in graph.names)
    assert ways(graph, "Client") == [f"global.one.#{mask_of('550e8400-e29b-41d4-a716'):012x} -> Client"]


def test_variables_of_a_script_are_names_of_its_module(read: Read) -> None:
    made = Made()
    function, context = made.function("open", "/app/server.js", 12)
    made.edge(context, "context", "sessions", made.map((made.node("string", "k"), made.node("object", "Session"))))
    made.held("handler", "Object", call=function)
    graph, _ = read(made)
    assert ways(graph)[0].startswith("/app/server.js.sessions[")
    row = graph.names.index("open")
    assert graph.frames.line[graph.frames.function == row].tolist() == [12]
    assert graph.frames.origin[graph.frames.function == row].tolist() == [Origin.USER]


def test_texts_in_pieces_are_read_whole(read: Read) -> None:
    made = Made()
    rope = made.node("concatenated string", "(concatenated string)")
    made.edge(rope, "internal", "first", made.node("string", "secret-"))
    made.edge(rope, "internal", "second", made.node("string", "42"))
    made.held("tracker", "Tracker", id=rope, sessions=made.map((rope, made.node("object", "Session"))))
    assert value(read, made, rope) == (Value.TEXT, 1, "secret-42")
    graph, _ = read(made)
    assert ways(graph) == [f"global.tracker.sessions['#{mask_of('secret-42'):012x}'] -> Session"]


@pytest.mark.parametrize("halves", [1, 2])
def test_ropes_of_any_depth_come_to_an_end(read: Read, halves: int) -> None:
    made = Made()
    piece = made.node("string", "")
    for _ in range(20_000 if halves == 1 else 60):  # 2 ** 60 empty pieces, all of them the same one
        rope = made.node("concatenated string", "rope")
        made.edge(rope, "internal", "first", piece)
        made.edge(rope, "internal", "second", piece if halves == 2 else made.root + 1)
        piece = rope
    made.held("tracker", "Tracker", id=piece, sessions=made.map((piece, made.node("object", "Session"))))
    assert value(read, made, piece) == (Value.TEXT, 1, None)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("true", (Value.BOOL, 1)),
        ("false", (Value.BOOL, 0)),
        ("null", (Value.NONE, None)),
        ("hole", (Value.OBJECT, None)),
    ],
)
def test_booleans_are_always_in_the_file(read: Read, text: str, worth: tuple[Value, float | None]) -> None:
    made = Made()
    odd = made.node("hidden", "system / Oddball")
    made.edge(odd, "hidden", 0, made.node("string", text))
    made.edge(odd, "hidden", 1, made.node("string", "false"))
    made.held("session", "Session", destroyed=odd)
    kind, number, _ = value(read, made, odd)
    assert (kind, None if np.isnan(number) else number) == worth


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("42", (Value.INT, 42)), ("-7.25", (Value.FLOAT, -7.25)), ("1e21", (Value.FLOAT, 1e21)),
        ("NaN", (Value.OBJECT, None)), ("4" * 399, (Value.INT, np.inf)), ("٣", (Value.OBJECT, None)),
    ],
)  # fmt: skip
def test_numbers_are_read_where_the_snapshot_has_them(read: Read, text: str, worth: tuple[Value, float | None]) -> None:
    made = Made()
    number = made.node("number", "heap number")
    made.edge(number, "internal", "value", made.node("string", text))
    made.held("session", "Session", created=number)
    kind, found, _ = value(read, made, number)
    assert (kind, None if np.isnan(found) else found) == worth


def test_fields_of_sessions_are_followed_by_rules_paths(read: Read) -> None:
    made = Made()
    made.held("session", "Session", state=made.node("string", "closed"))
    graph, values = read(made)
    state = Heap(graph, values).step(instances_of(graph, "Session"), Name("state"))
    assert values.same_text(state, ["open", "closed"]).tolist() == [1]
    assert values.masks(state).tolist() == [mask_of("closed")]
    assert values.masks(np.array([-1], dtype=np.int32)).tolist() == [UNKNOWN_MASK]


def test_roots_are_named_as_v8_names_them(read: Read) -> None:
    made = Made()
    roots, handles = made.node("synthetic", "(GC roots)"), made.node("synthetic", "(Global handles)")
    made.edge(made.root, "element", 1, roots)
    made.edge(roots, "element", 1, handles)
    made.edge(handles, "element", 1, made.node("object", "Session"))
    graph, _ = read(made)
    assert ways(graph) == ["(GC roots) / (Global handles) -> Session"]


def many(count: int, first: int = 0) -> Made:
    """One process at work: ids stay, and new ones come."""
    made = Made()
    tracker = made.held("tracker", "Tracker")
    for number in range(first, first + count):
        made.edge(tracker, "element", number, made.node("object", f"Class{number % 50}"))
    return made


def test_snapshots_of_one_process_are_told_by_their_objects(read: Read) -> None:
    before, after, other = (read(made)[0].facts for made in (many(500), many(900), many(900, first=7)))
    assert one_process([before, after]) and not one_process([before, other])
    assert moment(before) < moment(after)
    assert json.loads(json.dumps(after)) == after


def test_hashes_of_addresses_may_be_equal_and_ids_of_objects_may_not(read: Read) -> None:
    made = Made()
    one, two = (made.node("native", "Socket", id=4000) for _ in range(2))
    made.held("tracker", "Tracker", one=one, two=two)
    graph, _ = read(made)
    assert len(instances_of(graph, "Socket")) == 2
    made.held("other", "Object", last=made.node("object", "Session", id=7))
    made.held("another", "Object", last=made.node("object", "Session", id=7))
    with pytest.raises(InputError, match="two nodes have the id 7"):
        read(made)


def test_hostile_names_stay_what_they_are_and_break_nothing(read: Read) -> None:
    made = Made()
    hostile = ["\x1b[31mred", "[bold]markup[/bold]", "\ud800 alone", "a\u0000b", '"quoted\\', "x" * 100_000, ""]
    holder = made.held("tracker", "Tracker")
    for name in hostile:
        made.edge(holder, "property", "p", made.node("object", name))
    graph, _ = read(made)
    for name in graph.types.name + graph.names:
        name.encode()
        assert len(name) <= 200


def test_chains_of_any_length_are_followed_without_recursion(read: Read) -> None:
    made = Made()
    node = made.held("head")
    for _ in range(30_000):
        following = made.node("object", "Link")
        made.edge(node, "property", "next", following)
        node = following
    made.edge(node, "property", "session", made.node("object", "Session"))
    graph, _ = read(made)
    assert len(ways(graph)) == 1


def changed(path: list[str | int], to: Any) -> bytes:
    made = Made()
    made.held("tracker", "Tracker", last=made.node("object", "Session"))
    made.function("open", "/app/server.js", 12)
    document = made.document()
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (["snapshot", "node_count"], 3),
        (["snapshot", "node_count"], 1 << 30),
        (["snapshot", "node_count"], -1),
        (["snapshot", "edge_count"], 10**12),
        (["snapshot", "edge_count"], "many"),
        (["snapshot", "meta"], None),
        (["snapshot", "meta", "node_fields"], ["type", "name"]),
        (["snapshot", "meta", "node_fields"], [[]]),
        (["snapshot", "meta", "node_types"], [["hidden"] * 7]),
        (["snapshot", "meta", "edge_types"], [[]]),
        (["snapshot"], [1, 2]),
        (["nodes"], []),
        (["nodes", 0], 255),
        (["nodes", 1], 10**6),
        (["nodes", 4], 10**6),
        (["nodes", 3], 10**17),
        (["nodes", 3], 10**30),
        (["nodes", 3], -5),
        (["nodes", 3], 1.5),
        (["nodes", 3], None),
        (["edges", 0], 99),
        (["edges", 1], 10**6),
        (["edges", 2], 3),
        (["edges", 2], 7 * 10**6),
        (["edges"], {}),
        (["locations", 0], 10**6),
        (["locations", 0], 3),
        (["strings"], ["", 5]),
        (["strings"], []),
    ],
)
def test_what_contradicts_itself_is_refused(read: Read, path: list[str | int], to: Any) -> None:
    with pytest.raises(InputError) as caught:
        read(changed(path, to))
    assert "no intact heap snapshot" in caught.value.message and caught.value.help


def test_a_line_beyond_any_file_is_a_large_one(read: Read) -> None:
    graph, _ = read(changed(["locations", 2], 10**12))
    assert graph.frames.line.tolist() == [1 << 30]


def test_no_beginning_of_a_file_is_a_whole_one(read: Read) -> None:
    made = Made()
    made.held("tracker", "Tracker", last=made.node("object", "Session"))
    content = made.content()
    for length in range(1, len(content) - 1):  # the last bracket closes what is known to be over
        with pytest.raises(InputError):
            read(content[:length])


def test_damaged_bytes_are_refused_or_read_and_nothing_else(read: Read) -> None:
    made = Made()
    _, context = made.function("open", "/app/server.js", 12)
    made.edge(context, "context", "sessions", made.map((made.node("string", "k"), made.node("object", "Session"))))
    whole, chance = made.content(), random.Random(7)
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.choice(b'0123456789,[]{}":\\x- ')
        try:
            read(bytes(content))
        except InputError:
            refused += 1
    assert 100 < refused < 400
