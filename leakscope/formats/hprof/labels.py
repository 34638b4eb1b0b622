"""The texts of keys under which maps keep instances of classes that are not the JDK's own."""

from __future__ import annotations

import numpy as np

from leakscope.formats.hprof.layout import Layouts
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.texts import Strings
from leakscope.graph.heap import Int8s, Int32s, Int64s, Labels
from leakscope.graph.kinds import Origin, Ref
from leakscope.graph.values import UNKNOWN_MASK

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
    """Labels of keys that are texts, masked unless ``reveal``."""
    entries = np.flatnonzero(kind == Ref.KEY)
    of_somebody = layouts.classes.types.origin < Origin.STDLIB
    entries = entries[of_somebody[type[target[entries]]]]
    keys = np.unique(label[entries])[:_MOST]
    texts = strings.characters(keys)
    keys, begin, length, coding = keys[texts.known], texts.begin[texts.known], texts.length[texts.known], texts.coding
    if reveal:
        shown = [repr(strings.text(key, 200)) for key in keys.tolist()]
        return Labels(keys, names.add_all(shown))
    masks = strings.masks(texts.__class__(begin, length, coding[texts.known]))
    readable = masks != np.uint64(UNKNOWN_MASK)
    return Labels(keys[readable], names.add_all(f"#{mask:012x}" for mask in masks[readable].tolist()))
