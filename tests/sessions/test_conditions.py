"""Conditions mean what their text says: compared with a plain evaluator, object by object."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.sessions.conditions import parse_condition
from leakscope.sessions.evaluation import holds
from leakscope.sessions.paths import Heap, Objects
from leakscope.sessions.problems import RuleError
from tests.heaps import Thing
from tests.sessions.worth import FakeValues, Worth

MISSING = object()
FIELDS = ("a", "b", "c")
CONSTANTS = st.sampled_from([0, 1, -1, 2.5, 3, "open", "closed", ""])
VALUES = st.sampled_from([MISSING, None, True, False, 0, 1, -1, 3, 2.5, math.nan, "open", "closed", "", b"", b"x"])


def conditions() -> st.SearchStrategy[str]:
    """Texts of conditions over the fields a, b and c."""
    field = st.sampled_from(FIELDS)
    leaf = st.one_of(
        field,
        st.builds("{} {} {!r}".format, field, st.sampled_from(["==", "!="]), CONSTANTS),
        st.builds("{} {} {!r}".format, field, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from([0, 1, -2.5])),
        st.builds("{} {} {}".format, field, st.sampled_from(["<", ">="]), field),
        st.builds("{} {} None".format, field, st.sampled_from(["is", "is not"])),
        st.builds("{} {} {!r}".format, field, st.sampled_from(["in", "not in"]), st.lists(CONSTANTS, min_size=1)),
        st.builds("missing({})".format, field),
        st.builds("-1 < {} <= 3".format, field),
    )
    return st.recursive(
        leaf,
        lambda part: st.one_of(
            st.builds("not ({})".format, part),
            st.builds("({}) {} ({})".format, part, st.sampled_from(["and", "or"]), part),
        ),
        max_leaves=8,
    )


def expected(tree: ast.expr, fields: dict[str, Any]) -> bool:
    """The condition for one object, slowly."""
    if isinstance(tree, ast.BoolOp):
        parts = [expected(part, fields) for part in tree.values]
        return all(parts) if isinstance(tree.op, ast.And) else any(parts)
    if isinstance(tree, ast.UnaryOp):
        return not expected(tree.operand, fields)
    if isinstance(tree, ast.Call):
        return fields[tree.args[0].id] is MISSING  # type: ignore[attr-defined]
    if isinstance(tree, ast.Name):
        return fields[tree.id] is not MISSING and bool(fields[tree.id])
    assert isinstance(tree, ast.Compare)
    sides = [tree.left, *tree.comparators]
    return all(
        _compared(_side(left, fields), sign, _side(right, fields))
        for left, sign, right in zip(sides, tree.ops, sides[1:], strict=False)
    )


def _side(tree: ast.expr, fields: dict[str, Any]) -> Any:
    return fields[tree.id] if isinstance(tree, ast.Name) else ast.literal_eval(tree)


def _compared(left: Any, sign: ast.cmpop, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    if isinstance(sign, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        if not all(isinstance(side, (int, float)) for side in (left, right)):
            return False
        return {ast.Lt: left < right, ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right}[type(sign)]
    return {
        ast.Eq: lambda: left == right,
        ast.NotEq: lambda: left != right,
        ast.Is: lambda: left is None,
        ast.IsNot: lambda: left is not None,
        ast.In: lambda: left in right,
        ast.NotIn: lambda: left not in right,
    }[type(sign)]()


@settings(max_examples=150, deadline=None)
@given(conditions(), st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)), min_size=1, max_size=6))
def test_a_condition_holds_for_the_objects_for_which_its_text_is_true(text: str, rows: list[dict[str, Any]]) -> None:
    heap = Worth()
    things = [
        heap.object("app.Session", **{name: heap.of(value) for name, value in row.items() if value is not MISSING})
        for row in rows
    ]
    assert _holds(heap, things, text) == [expected(ast.parse(text, mode="eval").body, row) for row in rows], text


def test_what_only_the_graph_knows() -> None:
    heap = Worth()
    peer, sock = heap.object("app.Peer"), heap.object("socket.socket")
    heap.numbers[sock, "fd"] = -1
    empty = heap.dict({})
    heap.numbers[empty, "len"] = 0
    session = heap.object(
        "app.Session", peer=heap.weak(peer), gone=heap.weak(None), sock=sock, empty=empty,
        state=heap.enum("CLOSED", 3), items=heap.dict({heap.key("a"): heap.of(7)}), row=heap.list(sock, peer),
    )  # fmt: skip
    true = (
        "alive(peer)", "not alive(gone)", "not alive(sock)", "peer() is not None", "missing(gone())", "fd(sock) == -1",
        "fd(sock) < 0", "not empty", "len(empty) == 0", "sock", "state == 'CLOSED'", "state == 3", "state != 'OPEN'",
        "state in (1, 3)", "state > 2", "items['a'] == 7", "missing(items['b'])", "type(row[1]) == 'app.Peer'",
        "type(sock) != 'app.*'", "type(self) == 'app.S*'", "not fd(self) == -1", "missing(row[2])",
        "type(row[1]) in ('x', 'app.Peer')", "'CLOSED' == state", "missing(fd.fd)",
    )  # fmt: skip
    assert [text for text in true if _holds(heap, [session], text) != [True]] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a +", "is no condition"),
        ("a == b", "no text or number"),
        ("a == None", "write `is None`"),
        ("a is 3", "`is` goes with None"),
        ("a < 'x'", "only numbers are ordered"),
        ("a in b", "`in` goes with constants"),
        ("isinstance(a)", "makes no sense here"),
        ("__import__('os')", "makes no sense here"),
        ("a.b(1, 2)", "is no path"),
        ("[x for x in a]", "is no path"),
        ("lambda: 0", "is no path"),
        ("a[1:2]", "is no path"),
        ("a[-1]", "is no path"),
        ("1e999 < a + 1", "is no path"),
        ("type(a) == 3", "names of classes"),
        ("a\0b", "is no condition"),
        ("not " * 240 + "a", None),
        ("(" * 300, "is no condition"),
        ("a" * 1001, "too long"),
        ("10 ** 100 == a", "no text or number"),
        ("a == " + "9" * 500, "too large"),
    ],
)
def test_a_wrong_condition_is_refused_in_words(text: str, says: str | None) -> None:
    if says is None:
        parse_condition(text)
        return
    with pytest.raises(RuleError, match=says):
        parse_condition(text)


def _holds(heap: Worth, things: list[Thing], text: str) -> list[bool]:
    graph = heap.graph()
    objects = Objects(Heap(graph, FakeValues(graph, heap)), graph.nodes(things))
    found: list[bool] = holds(objects, parse_condition(text)).tolist()
    return found
