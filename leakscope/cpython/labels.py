"""Gives references their names: the texts of the str objects that serve as keys, attributes and locals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.objects import Found, References, kernel_layout
from leakscope.cpython.shapes import ShapeTable
from leakscope.cpython.threads import read_int
from leakscope.cpython.written import WrittenNames, ranges
from leakscope.graph.heap import Labels
from leakscope.graph.kinds import Ref
from leakscope.graph.values import shown_mask, shown_masks
from leakscope.kernels import _columns
from leakscope.kernels._arrays import Int32s, Int64s, UInt8s
from leakscope.kernels._shapes import UNRESOLVED, Column, Shape, Trait
from leakscope.kernels.labels import mark_labels, settle_labels
from leakscope.kernels.masks import mask_texts

_LONGEST_NAME = 200
_LARGEST_NAMESPACE = 5000
"""A namespace with more entries is a container whose keys are data."""

_MOST_MASKED = 2_000_000
"""Keys beyond these are shown by their type; a name each would outgrow the graph."""
_UNREADABLE = 1 << 48
_NAMED = tuple(kind | UNRESOLVED for kind in (Ref.ATTR, Ref.GLOBAL, Ref.LOCAL, Ref.CELL))
"""References whose labels are nodes of strings until they are named."""


@dataclass(frozen=True)
class Namespaces:
    """Nodes of the dicts whose keys are names in somebody's code."""

    of_instances: Int32s
    of_modules_and_classes: Int32s


def resolve_labels(
    heap: HeapMemory,
    found: Found,
    shapes: ShapeTable,
    refs: References,
    spaces: Namespaces,
    names: Names,
    reveal: bool,
) -> Labels:
    """Turns unresolved kinds and labels into final ones, in place.

    Returns the texts of the keys of dicts that are data, masked unless ``reveal``.
    """
    _mark_namespaces(refs, spaces)
    texts = _Texts(heap, found, shapes, names)
    nodes = _labels(refs, found, _NAMED)
    if reveal:
        numbers = np.array([texts.number(node) for node in nodes.tolist()], np.int32)
    else:
        globals_ = np.flatnonzero(refs.kind == Ref.GLOBAL | UNRESOLVED)
        numbers = _name_numbers(WrittenNames(heap, found, shapes, refs), texts, nodes, globals_, refs)
    number = _columns.zeros(len(found.offsets), np.int32)
    number[nodes] = numbers
    settle_labels(refs.kind, refs.label, _final_kinds(), kind_mask(*_NAMED), number, texts.number(-1))
    if reveal:
        keys = _labels(refs, found, (Ref.KEY,))
        return Labels(keys, np.array([texts.shown(node) for node in keys.tolist()], np.int32))
    return _masked_keys(heap, found, shapes, refs, names)


def _labels(refs: References, found: Found, kinds: Iterable[int]) -> Int32s:
    """The nodes, ascending, that are labels of references of these kinds."""
    mask = mark_labels(refs.kind, refs.label, kind_mask(*kinds), len(found.offsets))
    return np.flatnonzero(mask).astype(np.int32)


def kind_mask(*kinds: int) -> UInt8s:
    """uint8[256] with ones at these codes, as kernels take it."""
    mask = np.zeros(256, np.uint8)
    mask[list(kinds)] = 1
    return mask


def _final_kinds() -> UInt8s:
    """What each code becomes once its label is settled: stack slots are doubted later, by their counts."""
    final = np.arange(256, dtype=np.uint8)
    final[UNRESOLVED:] &= np.uint8(UNRESOLVED - 1)
    final[Ref.STACK | UNRESOLVED] = Ref.STACK | UNRESOLVED
    return final


def _name_numbers(written: WrittenNames, texts: _Texts, nodes: Int32s, globals_: Int64s, refs: References) -> Int32s:
    """Numbers of the texts of ``nodes``, masked where they are no names in code.

    ``globals_`` are the references of modules' and classes' namespaces. The code that filled these may be gone, so
    whatever could be a name there is one.
    """
    used, at = np.unique(refs.label[globals_], return_inverse=True)
    by_use = [texts.text(node) or "" for node in used.tolist()]
    declared = written.annotated(np.array([text == "__annotations__" for text in by_use], bool)[at], globals_)
    public = used[np.array([text.isidentifier() for text in by_use], bool)]
    is_text = written.are(Shape.STR, nodes)
    known = ~is_text
    known[is_text] = written.contain(nodes[is_text], np.concatenate([public, declared]))
    numbers = np.empty(len(nodes), np.int32)
    numbers[known] = [texts.number(node) for node in nodes[known].tolist()]
    numbers[~known] = [texts.masked(mask) for mask in written.masks(nodes[~known]).tolist()]
    return numbers


def _masked_keys(heap: HeapMemory, found: Found, shapes: ShapeTable, refs: References, names: Names) -> Labels:
    """Hashes of the texts under which dicts keep instances of classes: what a chain ends with, and is asked for by."""
    of_class = (shapes.columns[:, Column.TRAITS] & Trait.COUNTS_TYPE != 0).astype(np.uint8)[found.rows]
    mask = mark_labels(refs.kind, refs.label, kind_mask(Ref.KEY), len(found.offsets), refs.target, of_class)
    keys = np.flatnonzero(mask).astype(np.int32)
    keys = keys[shapes.are(Shape.STR, found.rows[keys])][:_MOST_MASKED]
    masks = mask_texts(heap.paged, kernel_layout(heap), found.offsets[keys])
    readable = masks < _UNREADABLE
    texts = [names.add(text) for text in shown_masks(masks[readable])]
    return Labels(keys[readable], np.array(texts, np.int32))


def _mark_namespaces(refs: References, spaces: Namespaces) -> None:
    """The entries of a namespace are attributes or globals, not items of a dict."""
    for dicts, kind in ((spaces.of_instances, Ref.ATTR), (spaces.of_modules_and_classes, Ref.GLOBAL)):
        start, end = refs.first_ref[dicts], refs.first_ref[dicts + 1]
        small = end - start <= _LARGEST_NAMESPACE * 2
        positions = ranges(start[small], end[small])
        entries = positions[refs.kind[positions] == Ref.KEY | UNRESOLVED]
        refs.kind[entries] = kind | UNRESOLVED


class _Texts:
    """Numbers in ``names`` by node, read once each."""

    def __init__(self, heap: HeapMemory, found: Found, shapes: ShapeTable, names: Names) -> None:
        self._heap = heap
        self._found = found
        self._shape = shapes.columns[:, Column.SHAPE]
        self._is_text = self._shape == Shape.STR
        self._names = names

    def number(self, node: int) -> int:
        """A name; ``?`` where the heap was torn."""
        return self._names.add(self.text(node) or "?")

    def masked(self, mask: int) -> int:
        """A name that is data; ``?`` where it could not be read."""
        return self._names.add(shown_mask(mask) if mask < _UNREADABLE else "?")

    def shown(self, node: int) -> int:
        """A revealed key, as Python would write it; ``?`` for keys that are neither text nor number."""
        text = self.text(node)
        if text is None and self._shape[self._found.rows[node]] == Shape.INT:
            return self._names.add(str(read_int(self._heap, int(self._found.addresses[node]))))
        return self._names.add("?" if text is None else repr(text))

    def is_text(self, node: int) -> bool:
        """Whether it is a ``str`` at all."""
        return node >= 0 and bool(self._is_text[self._found.rows[node]])

    def text(self, node: int) -> str | None:
        """Its beginning; None for what is no text."""
        if not self.is_text(node):
            return None
        return self._heap.text(int(self._found.addresses[node]), _LONGEST_NAME)
