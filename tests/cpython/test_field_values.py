"""Values, paths, C numbers and limits of a live process, as its own Python has them; and on torn memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from leakscope.cpython import read_heap
from leakscope.cpython.bounds import read_bounds
from leakscope.cpython.field_values import HeapValues
from leakscope.errors import LeakscopeError
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.graph.values import UNKNOWN_MASK, Value
from leakscope.kernels.edges import Edges
from leakscope.kernels.fields import follow, follow_index, follow_key, follow_kind, keys_of
from leakscope.target.attach import capture
from leakscope.target.image import MemoryImage
from tests.cpython.torn import torn
from tests.interpreters import one_per_version
from tests.truth.driver import running

TORN_IMAGES = 24
Facts = dict[str, Any]


@dataclass(frozen=True)
class Read:
    """One target: what it said of itself and what was read from outside."""

    facts: Facts
    image: MemoryImage
    graph: HeapGraph
    source: HeapValues
    edges: Edges

    def nodes(self, addresses: list[int]) -> Int32s:
        """Numbers of the objects at these addresses; address 0 is no object, and every other must be one."""
        wanted = np.array(addresses, np.uint64)
        found = np.searchsorted(self.graph.address, wanted)
        assert (self.graph.address[found[wanted > 0]] == wanted[wanted > 0]).all()
        return np.where(wanted > 0, found, -1).astype(np.int32)

    def step(self, nodes: Int32s, name: str) -> Int32s:
        """``.name`` of each."""
        return follow(self.edges, self.graph.label, nodes, self.graph.names.index(name), NAMED)


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda found: found.name)
def read(request: pytest.FixtureRequest) -> Iterator[Read]:
    """One process per interpreter for all tests of this file."""
    with running(request.param.path, "field_values") as process:
        image = capture(process.pid)
        graph = read_heap(image)
        edges = Edges(graph.first_ref, graph.target, graph.kind, ())
        yield Read(process.facts, image, graph, HeapValues(image, graph), edges)


def test_every_value_to_the_bit(read: Read) -> None:
    """Kind and number, all in one column, with a node that is none among them."""
    told = read.facts["values"]
    found = read.source.values(read.nodes([*(address for address, *_ in told.values()), 0]))
    for row, (name, (_, kind, number, _)) in enumerate(told.items()):
        assert Value(int(found.kind[row])).name == kind, name
        assert repr(float(found.number[row])) == repr(float(number)), name
    assert found.kind[-1] == Value.MISSING
    assert np.isnan(found.number[-1])


def test_masks_are_those_of_hashlib(read: Read) -> None:
    """Of texts, bytes and numbers; none of what is too long, and of nothing else."""
    told = read.facts["values"]
    masks = read.source.masks(read.nodes([*(address for address, *_ in told.values()), 0]))
    wanted = [mask if mask is not None else UNKNOWN_MASK for *_, mask in told.values()]
    assert masks.tolist() == [*wanted, UNKNOWN_MASK]


def test_texts_are_found_and_shown(read: Read) -> None:
    """Each wanted text by its number, whatever its width and wherever its characters; the first of equal ones."""
    told = {name: address for name, (address, *_) in read.facts["values"].items()}
    texts = {
        "latin": "naïve", "ascii": "session-42", "astral": "\U0001f409 dragon", "empty": "", "wide": "☃ snow",
        "subclass": "inherited ☃", "subclass_ascii": "plain", "enum": "open", "surrogate": "a\ud800b",
    }  # fmt: skip
    nodes = read.nodes([*(told[f"text {name}"] for name in texts), told["text huge"], told["int small"], 0])
    assert read.source.same_text(nodes, [*texts.values(), "naïve"]).tolist() == [*range(len(texts)), -1, -1, -1]
    assert read.source.same_text(nodes, []).tolist() == [-1] * len(nodes)
    shown = [read.source.text(int(node), 20) for node in nodes]
    escaped = [text.encode("utf-8", "backslashreplace").decode() for text in texts.values()]
    assert shown == [*escaped, "i" * 20, None, None]


def test_attributes_in_every_form(read: Read) -> None:
    """Inline, split, in a dict of its own, in slots, in a subclass of dict, private to a class."""
    for name, (holder, value) in read.facts["attributes"].items():
        attribute = {"private": "_Private__wanted", "nothing": "nothing"}.get(name, "wanted")
        assert read.step(read.nodes([holder]), attribute).tolist() == read.nodes([value]).tolist(), name


def test_steps_one_after_the_other(read: Read) -> None:
    """``.wanted.wanted['key ☃'][0].wanted``; None, small ints and what is missing on the way."""
    start = read.nodes([read.facts["nested"], 0])
    inner = read.step(read.step(start, "wanted"), "wanted")
    assert inner[1] == -1
    keys = keys_of(read.edges, read.graph.label, inner)
    assert len(keys) == 2
    is_key = np.zeros(read.graph.objects, np.uint8)
    is_key[keys[read.source.same_text(keys, ["key ☃"]) == 0]] = 1
    value = follow_key(read.edges, read.graph.label, inner, is_key)
    first = follow_index(read.edges, read.graph.label, value, 0)
    assert follow_index(read.edges, read.graph.label, value, 1).tolist() == [-1, -1]
    assert read.source.text(int(read.step(first, "wanted")[0])) == "deep"
    assert read.source.values(read.step(first, "first")).number[0] == 1
    assert read.source.values(read.step(first, "nothing")).kind.tolist() == [Value.NONE, Value.MISSING]
    assert read.step(first, "key ☃" if "key ☃" in read.graph.names else "late").tolist() == [-1, -1]


def test_weak_references_lead_to_what_lives(read: Read) -> None:
    """And a dead one to None, as C code has it."""
    reference, alive = read.facts["live"]
    nodes = read.nodes([reference, read.facts["dead"], 0])
    found = follow_kind(read.edges, read.graph.label, nodes, Ref.WEAK)
    assert found[0] == read.nodes([alive])[0]
    assert read.source.values(found).kind.tolist() == [Value.OBJECT, Value.NONE, Value.MISSING]


def test_enum_members_have_name_and_value(read: Read) -> None:
    """A state is compared with both."""
    state = read.nodes([read.facts["state"]])
    assert read.source.text(int(read.step(state, "_name_")[0])) == "CLOSED"
    assert read.source.text(int(read.step(state, "_value_")[0])) == "closed"


def test_an_open_file_leads_to_its_descriptor(read: Read) -> None:
    """``.buffer.raw.@fd`` of what ``open`` returns in text mode."""
    address, descriptor = read.facts["file"]
    raw = read.step(read.step(read.nodes([address]), "buffer"), "raw")
    assert read.source.c_numbers(raw, "fd").number.tolist() == [descriptor]


def test_numbers_that_c_code_keeps(read: Read) -> None:
    """Descriptors, states, limits, lengths: of the types that have them, their subclasses, and of no others."""
    for name, (address, field, number) in read.facts["c_numbers"].items():
        found = read.source.c_numbers(read.nodes([address, 0]), field)
        assert found.kind[1] == Value.MISSING
        if number is None:
            assert found.kind[0] == Value.MISSING, name
        else:
            assert found.kind[0] in (Value.INT, Value.BOOL), name
            assert found.number[0] == number, name


def test_limits_of_containers(read: Read) -> None:
    """And none where a number says no limit, or what is no number."""
    bounds = read_bounds(read.graph, read.source)
    limit = dict(zip(bounds.node.tolist(), bounds.limit.tolist(), strict=True))
    for name, (address, wanted) in read.facts["bounds"].items():
        assert limit.get(int(read.nodes([address])[0])) == wanted, name
    assert (np.diff(bounds.node) > 0).all()


def test_torn_memory_gives_values_or_a_clear_error(read: Read) -> None:
    """Never a crash or a hang, and never a number that the kind cannot have."""
    nodes = np.arange(-1, read.graph.objects, dtype=np.int32)
    valid = 0
    for seed in range(TORN_IMAGES):
        try:
            source = HeapValues(torn(read.image, seed), read.graph)
        except LeakscopeError as error:
            assert error.message and error.help
            continue
        found = source.values(nodes)
        assert np.isnan(found.number[np.isin(found.kind, (Value.MISSING, Value.NONE, Value.OBJECT))]).all()
        lengths = found.number[np.isin(found.kind, (Value.TEXT, Value.BYTES))]
        assert ((lengths >= 0) & (lengths < len(read.image.buffer))).all()
        source.masks(nodes)
        source.same_text(nodes, ["open", "closed"])
        for field in ("fd", "len", "maxsize", "state", "locked", "open", "co_argcount"):
            source.c_numbers(nodes, field)
        read_bounds(read.graph, source)
        valid += 1
    assert valid, "not one image was whole enough to read values from"
