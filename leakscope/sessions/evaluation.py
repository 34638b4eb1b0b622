"""What conditions are for many objects at once: one mask per condition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Floats, Int32s
from leakscope.graph.values import Value, Values
from leakscope.sessions.conditions import (
    Alive,
    All,
    Condition,
    Constant,
    Equals,
    Holds,
    Is,
    Missing,
    Not,
    Ordered,
    Some,
    TypeIs,
)
from leakscope.sessions.paths import Objects
from leakscope.sessions.steps import Name, Path

Bools = npt.NDArray[np.bool_]
NUMERIC = (Value.BOOL, Value.INT, Value.FLOAT, Value.DURATION)
ENUM = "enum.Enum"
ENUM_FIELDS = (Name("_name_"), Name("_value_"))
COMPARE = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def holds(objects: Objects, condition: Condition) -> Bools:
    """By object: whether ``condition`` holds."""
    if isinstance(condition, Not):
        return ~holds(objects, condition.part)
    if isinstance(condition, (All, Some)):
        join = np.logical_and if isinstance(condition, All) else np.logical_or
        result: Bools = join.reduce([holds(objects, part) for part in condition.parts])
        return result
    if isinstance(condition, Holds):
        return _truth(objects, condition.path)
    if isinstance(condition, Equals):
        return _negated(_equal(objects, condition.path, condition.wanted), _there(objects, condition), condition)
    if isinstance(condition, Is):
        return _negated(_identical(objects, condition), _there(objects, condition), condition)
    if isinstance(condition, Ordered):
        return COMPARE[condition.sign](_number(objects, condition.left), _number(objects, condition.right))
    nodes = objects.at(condition.steps)
    if isinstance(condition, TypeIs):
        return _negated(_of_type(objects, nodes, condition.globs), nodes >= 0, condition)
    if isinstance(condition, Missing):
        return nodes < 0
    assert isinstance(condition, Alive)
    return objects.heap.referents(nodes) >= 0


def _negated(found: Bools, there: Bools, condition: Equals | Is | TypeIs) -> Bools:
    return ~found & there if condition.negated else found


def _there(objects: Objects, condition: Equals | Is) -> Bools:
    return ~_is_kind(objects.values(condition.path), Value.MISSING)


def _is_kind(values: Values, kind: Value) -> Bools:
    found: Bools = values.kind == kind
    return found


def _truth(objects: Objects, path: Path) -> Bools:
    values = objects.values(path)
    true: Bools = (values.kind != Value.MISSING) & (values.kind != Value.NONE)
    by_number = np.isin(values.kind, (*NUMERIC, Value.TEXT, Value.BYTES))
    true[by_number] = values.number[by_number] != 0
    if not path.number and (values.kind == Value.OBJECT).any():
        length = objects.values(Path(path.steps, "len"))
        true &= ~((values.kind == Value.OBJECT) & (length.kind == Value.INT) & (length.number == 0))
    return true


def _identical(objects: Objects, condition: Is) -> Bools:
    values = objects.values(condition.path)
    if condition.wanted is None:
        return _is_kind(values, Value.NONE)
    found: Bools = (values.kind == Value.BOOL) & (values.number == condition.wanted)
    return found


def _of_type(objects: Objects, nodes: Int32s, globs: tuple[str, ...]) -> Bools:
    nodes = objects.heap.objects(nodes)
    chosen = np.logical_or.reduce([objects.heap.lineage.named(glob) for glob in globs])
    found: Bools = chosen[objects.heap.graph.type[nodes]] & (nodes >= 0)
    return found


def _equal(objects: Objects, path: Path, wanted: tuple[Constant, ...]) -> Bools:
    if path.number:
        return _equal_number(objects.values(path), wanted)
    nodes = objects.at(path.steps)
    found = _equal_plain(objects, nodes, wanted)
    members = np.flatnonzero(objects.heap.is_a(nodes, ENUM))
    for field in ENUM_FIELDS if len(members) else ():
        found[members] |= _equal_plain(objects, objects.heap.step(nodes[members], field), wanted)
    return found


def _equal_plain(objects: Objects, nodes: Int32s, wanted: tuple[Constant, ...]) -> Bools:
    found = _equal_number(objects.heap.values(nodes), wanted)
    texts = [each for each in wanted if isinstance(each, str)]
    return found | (objects.heap.same_text(nodes, texts) >= 0) if texts else found


def _equal_number(values: Values, wanted: tuple[Constant, ...]) -> Bools:
    numbers = [each for each in wanted if not isinstance(each, str)]
    found: Bools = np.isin(values.kind, NUMERIC) & np.isin(values.number, numbers)
    return found


def _number(objects: Objects, operand: Path | float) -> Floats:
    """By object; NaN, which compares with nothing, for what is no number."""
    if isinstance(operand, float):
        return np.full(len(objects), operand)
    found = _numeric(objects.values(operand))
    if not operand.number:
        nodes = objects.at(operand.steps)
        members = np.flatnonzero(objects.heap.is_a(nodes, ENUM) & np.isnan(found))
        if len(members):
            found[members] = _numeric(objects.heap.values(objects.heap.step(nodes[members], ENUM_FIELDS[1])))
    return found


def _numeric(values: Values) -> Floats:
    return np.where(np.isin(values.kind, NUMERIC), values.number, np.nan)
