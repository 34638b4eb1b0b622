"""Conditions of rules: ``_closed or state in ('CLOSED', 'CLOSING')`` parsed into small nodes.

Read with Python's own parser, let through a whitelist, and never run as Python:
``evaluation.py`` says what they are for many objects at once.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TypeAlias

from leakscope.sessions.problems import RuleError
from leakscope.sessions.steps import Path, Steps, parsed, steps_of

TESTS = ("alive", "missing")
TYPE = "type"
NO_NUMBERS = frozenset(dir(builtins)) - {"len", "open"}
"""Any other ``name(path)`` asks for a number which C code keeps: ``fd(_sock) == -1``."""
ORDER = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
EQUAL = {ast.Eq: False, ast.NotEq: True, ast.In: False, ast.NotIn: True}
"""Comparisons with constants, and whether they are negated."""
IDENTITY = {ast.Is: False, ast.IsNot: True}

Constant: TypeAlias = float | str


@dataclass(frozen=True)
class Holds:
    """The truth of what a path leads to."""

    path: Path


@dataclass(frozen=True)
class Equals:
    """Whether it is (or is ``negated`` not) one of ``wanted``; never true where the path leads nowhere."""

    path: Path
    wanted: tuple[Constant, ...]
    negated: bool


@dataclass(frozen=True)
class Is:
    """``is None``, ``is True``, ``is False`` and ``is not``; never true where the path leads nowhere."""

    path: Path
    wanted: bool | None
    negated: bool


@dataclass(frozen=True)
class Ordered:
    """``<``, ``<=``, ``>``, ``>=`` between numbers: paths and constants."""

    left: Path | float
    sign: str
    right: Path | float


@dataclass(frozen=True)
class TypeIs:
    """Whether the object's own class matches one of the globs."""

    steps: Steps
    globs: tuple[str, ...]
    negated: bool


@dataclass(frozen=True)
class Alive:
    """A weak reference whose referent still lives."""

    steps: Steps


@dataclass(frozen=True)
class Missing:
    """The path leads nowhere."""

    steps: Steps


@dataclass(frozen=True)
class Not:
    """The opposite."""

    part: Condition


@dataclass(frozen=True)
class All:
    """``and``."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """``or``."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Holds | Equals | Is | Ordered | TypeIs | Alive | Missing | Not | All | Some


def parse_condition(text: str, of_keys: bool = False) -> Condition:
    """The condition that ``text`` writes; ``of_keys``: names are keys of a dict. Raises RuleError."""
    try:
        return _Reader(of_keys).condition(parsed(text.strip(), "condition"))
    except RecursionError:
        raise RuleError("the condition is nested too deeply") from None


class _Reader:
    def __init__(self, of_keys: bool) -> None:
        self._of_keys = of_keys

    def condition(self, tree: ast.expr) -> Condition:
        if isinstance(tree, ast.BoolOp):
            parts = tuple(self.condition(part) for part in tree.values)
            return All(parts) if isinstance(tree.op, ast.And) else Some(parts)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return Not(self.condition(tree.operand))
        if isinstance(tree, ast.Compare):
            return self._compared(tree)
        called = _call(tree)
        if called and called[0] in TESTS:
            steps = steps_of(called[1], self._of_keys)
            return Alive(steps) if called[0] == "alive" else Missing(steps)
        return Holds(self._path(tree))

    def _compared(self, tree: ast.Compare) -> Condition:
        lefts = [tree.left, *tree.comparators[:-1]]
        parts = [
            self._pair(left, sign, right) for left, sign, right in zip(lefts, tree.ops, tree.comparators, strict=True)
        ]
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _pair(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> Condition:
        if type(sign) in ORDER:
            return Ordered(self._number(left), ORDER[type(sign)], self._number(right))
        if type(sign) in IDENTITY:
            return self._identity(left, right, IDENTITY[type(sign)])
        several = isinstance(sign, (ast.In, ast.NotIn))
        if not several and isinstance(left, ast.Constant):
            left, right = right, left
        wanted, negated = _constants(right, several), EQUAL[type(sign)]
        called = _call(left)
        if called and called[0] == TYPE:
            globs = tuple(glob for glob in wanted if isinstance(glob, str))
            if globs != wanted:
                raise RuleError("type(...) compares with names of classes in quotes")
            return TypeIs(steps_of(called[1], self._of_keys), globs, negated)
        return Equals(self._path(left), wanted, negated)

    def _identity(self, left: ast.expr, right: ast.expr, negated: bool) -> Condition:
        if isinstance(right, ast.Constant) and (right.value is None or isinstance(right.value, bool)):
            return Is(self._path(left), right.value, negated)
        raise RuleError(f"`is` goes with None, True or False, not with {ast.unparse(right)}")

    def _number(self, tree: ast.expr) -> Path | float:
        constant = _constant(tree)
        if isinstance(constant, str):
            raise RuleError(f"{ast.unparse(tree)} is a text; only numbers are ordered")
        return self._path(tree) if constant is None else constant

    def _path(self, tree: ast.expr) -> Path:
        called = _call(tree)
        if called is None:
            return Path(steps_of(tree, self._of_keys))
        name, inner = called
        if name in NO_NUMBERS or name in TESTS:
            known = "alive(path), missing(path), type(path) == 'module.Class', len(path), fd(path) and the like"
            raise RuleError(f"{name}(...) makes no sense here; there are {known}")
        return Path(steps_of(inner, self._of_keys), name)


def _call(tree: ast.expr) -> tuple[str, ast.expr] | None:
    """``name(argument)``, and None for anything else; ``name()`` is a weak reference's step."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and len(tree.args) == 1 and not tree.keywords:
        return tree.func.id, tree.args[0]
    return None


def _constants(tree: ast.expr, several: bool) -> tuple[Constant, ...]:
    if several and not isinstance(tree, (ast.Tuple, ast.List, ast.Set)):
        raise RuleError(f"`in` goes with constants in parentheses, not with {ast.unparse(tree)}")
    parts = tree.elts if isinstance(tree, (ast.Tuple, ast.List, ast.Set)) else [tree]
    found = [_constant(part) for part in parts]
    if None in found or (not several and len(found) != 1):
        help = "; write `is None`" if isinstance(tree, ast.Constant) and tree.value is None else ""
        raise RuleError(f"{ast.unparse(tree)} is no text or number to compare with{help}")
    return tuple(each for each in found if each is not None)


def _constant(tree: ast.expr) -> Constant | None:
    """A number (True is 1.0) or a text, None for anything else."""
    sign = 1
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, (ast.USub, ast.UAdd)):
        sign = -1 if isinstance(tree.op, ast.USub) else 1
        tree = tree.operand
        if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
            return None
    if not isinstance(tree, ast.Constant):
        return None
    if isinstance(tree.value, str):
        return tree.value
    if isinstance(tree.value, (bool, int, float)):
        try:
            return sign * float(tree.value)
        except OverflowError:
            raise RuleError("a number is too large") from None
    return None
