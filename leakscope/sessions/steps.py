"""Where a field is: ``_connector._conns['a'][0]()`` and expressions' ``fd(x)`` parsed into steps, once.

A path is read with Python's own parser and is never run: only names, ``.name``,
``['text']``, ``[0]`` and ``()`` are let through. ``self`` is the object itself.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import TypeAlias

from leakscope.sessions.problems import RuleError

LONGEST = 1000
"""Characters of a path or an expression."""
ITSELF = "self"


@dataclass(frozen=True)
class Name:
    """``.text``: an attribute."""

    text: str


@dataclass(frozen=True)
class Key:
    """``['text']``: a dict's entry."""

    text: str


@dataclass(frozen=True)
class Index:
    """``[0]``: what stands at a position."""

    position: int


@dataclass(frozen=True)
class Referent:
    """``()``: what a weak reference still refers to."""


Step: TypeAlias = Name | Key | Index | Referent
Steps: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True)
class Path:
    """``steps`` from an object, and then perhaps a number that C code keeps in what they lead to."""

    steps: Steps
    number: str = ""
    """``fd``, ``state`` ...; "" for the object itself."""


def parse_path(text: str, of_keys: bool = False) -> Path:
    """``a.b['c']@fd``; ``of_keys``: the path begins at a dict, so that its first name is a key. Raises RuleError."""
    where, _, number = text.strip().partition("@")
    if "@" in text and not number.isidentifier():
        raise RuleError(f"{text!r} is no path: a name such as fd follows the @")
    where = where.strip()
    if not where and number:
        return Path((), number)
    if where.startswith("["):
        where = ITSELF + where
    return Path(steps_of(parsed(where, "path"), of_keys), number)


def parsed(text: str, what: str) -> ast.expr:
    """The expression's tree, checked by nobody yet. Raises RuleError."""
    if len(text) > LONGEST:
        raise RuleError(f"a {what} of {len(text)} characters is too long (the limit is {LONGEST})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RuleError(f"{text!r} is no {what}") from None


def steps_of(tree: ast.expr, of_keys: bool = False) -> Steps:
    """The steps that ``tree`` writes. Raises RuleError if it is anything but a path."""
    found: list[Step] = []
    while not isinstance(tree, ast.Name):
        step, tree = _last(tree)
        found.append(step)
    if tree.id != ITSELF:
        found.append(Key(tree.id) if of_keys else Name(tree.id))
    return tuple(reversed(found))


def _last(tree: ast.expr) -> tuple[Step, ast.expr]:
    """The last step, and what it is taken from."""
    if isinstance(tree, ast.Attribute):
        return Name(tree.attr), tree.value
    if isinstance(tree, ast.Call) and not tree.args and not tree.keywords:
        return Referent(), tree.func
    if isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Constant):
        key = tree.slice.value
        if isinstance(key, str):
            return Key(key), tree.value
        if type(key) is int and 0 <= key < 1 << 31:
            return Index(key), tree.value
    raise RuleError(
        f"{ast.unparse(tree)!r} is no path: names, .name, ['key'], [0] and () for weak references lead to a field"
    )
