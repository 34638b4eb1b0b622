"""The texts of keys under which maps keep instances of classes that are not the JDK's own, and names of other keys."""

from __future__ import annotations

import numpy as np

from leakscope.formats.hprof.layout import Layouts
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.texts import Strings
from leakscope.graph.heap import Int8s, Int32s, Int64s, Labels
from leakscope.graph.kinds import Origin, Ref
from leakscope.graph.values import UNKNOWN_MASK, shown_masks

_MOST = 2_000_000
"""Keys beyond these are shown by their class; a name each would outgrow the graph."""


def key_labels(
    strings: Strings,
    layouts: Layouts,
    type: Int32s,
    first_ref: Int64s,
    target: Int32s,
    kind: Int8s,
    label: Int32s,
    names: Names,
    reveal: bool,
) -> Labels:
    """Labels of keys that are texts, masked unless ``reveal``; of those that class variables name, as ThreadLocals."""
    entries = np.flatnonzero(kind == Ref.KEY)
    of_somebody = layouts.classes.types.origin < Origin.STDLIB
    is_key = np.zeros(len(type), dtype=np.bool_)
    is_key[label[entries[of_somebody[type[target[entries]]]]]] = True
    keys = np.flatnonzero(is_key)[:_MOST].astype(np.int32)
    texts = strings.characters(keys)
    called = _class_variables(layouts, type, first_ref, target, kind, label, names)
    keys = keys[texts.known]
    if reveal:
        said = names.append_all(repr(strings.text(key, 200)) for key in keys.tolist())
    else:
        masks = strings.masks(texts)[texts.known]
        readable = masks != np.uint64(UNKNOWN_MASK)
        keys, said = keys[readable], names.append_all(shown_masks(masks[readable]))
    other = ~np.isin(called.node, keys)
    node, name = np.append(keys, called.node[other]), np.append(said, called.name[other])
    order = np.argsort(node, kind="stable")
    return Labels(node[order], name[order])


def _class_variables(
    layouts: Layouts, type: Int32s, first_ref: Int64s, target: Int32s, kind: Int8s, label: Int32s, names: Names
) -> Labels:
    """Keys that class variables refer to, by those: ``app.Current.SESSION``; of several the first."""
    is_key = np.zeros(len(type), dtype=np.bool_)
    is_key[label[kind == Ref.KEY]] = True
    position = np.flatnonzero(kind == Ref.GLOBAL)
    position = position[is_key[target[position]]]
    node, first = np.unique(target[position], return_index=True)
    position = position[first]
    owner = np.searchsorted(first_ref, position, side="right") - 1
    types = layouts.classes.types
    row_of_class = dict(zip(types.node.tolist(), range(len(types.name)), strict=True))
    pairs = zip(owner.tolist(), label[position].tolist(), strict=True)
    said = [f"{types.name[row_of_class[holder]]}.{names.list[name]}" for holder, name in pairs]
    return Labels(node.astype(np.int32), names.append_all(said))
