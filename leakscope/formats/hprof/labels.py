"""The texts of keys under which maps keep instances of classes that are not the JDK's own."""

from __future__ import annotations

import numpy as np

from leakscope.formats.hprof.layout import Layouts
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.texts import Strings
from leakscope.graph.heap import Addresses, Int8s, Int32s, Int64s, Labels
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
    is_key = np.zeros(len(type), dtype=np.bool_)
    is_key[label[entries[of_somebody[type[target[entries]]]]]] = True
    keys = np.flatnonzero(is_key)[:_MOST].astype(np.int32)
    texts = strings.characters(keys)
    keys = keys[texts.known]
    if reveal:
        return Labels(keys, names.append_all(repr(strings.text(key, 200)) for key in keys.tolist()))
    masks = strings.masks(texts)[texts.known]
    readable = masks != np.uint64(UNKNOWN_MASK)
    return Labels(keys[readable], names.append_all(_written(masks[readable])))


def _written(masks: Addresses) -> list[str]:
    """``#`` and 12 digits each."""
    digits = masks.astype(">u8").tobytes().hex()
    return ["#" + digits[at + 4 : at + 16] for at in range(0, len(digits), 16)]
