"""The edges of a V8 heap snapshot as references: in the order of the nodes' ids, with what their names mean."""

import cython
import numpy as np

IS_INTERNAL, IS_CELL, IS_PROPERTY, IS_OTHER = 1, 2, 4, 8
"""What kind of edge a text names, as bits; 0 is an edge that has a number."""
PLAIN, HALF, SHAPE, TABLE, CONTEXT, PREVIOUS = range(6)
"""What a text means as the name of an internal edge; HALF: one of two edges of an entry of a WeakMap."""
_PROPERTY = cython.declare(cython.int, 4)
_HALF = cython.declare(cython.int, 1)
_SHAPE = cython.declare(cython.int, 2)
_TABLE = cython.declare(cython.int, 3)
_CONTEXT = cython.declare(cython.int, 4)
_PREVIOUS = cython.declare(cython.int, 5)
INTERNAL = cython.declare(cython.int, 0)  # graph.kinds.Ref
ATTR = cython.declare(cython.int, 1)
KEY = cython.declare(cython.int, 2)
INDEX = cython.declare(cython.int, 3)
ITEM = cython.declare(cython.int, 4)
DICT_KEY = cython.declare(cython.int, 5)
CELL = cython.declare(cython.int, 7)
TYPE = cython.declare(cython.int, 9)
DICT = cython.declare(cython.int, 10)
WEAK = cython.declare(cython.int, 13)
DICTIONARY = cython.declare(cython.int, 20)
"""An object with so many properties that hardly another object has is a dictionary: their names are data."""
SHARED_BY_FEW = cython.declare(cython.int, 2)


def survey(types, names, groups, texts):
    """``(used, counts, wrong)``: by text, what names it is (bits) and of how many properties; the first wrong name.

    ``types`` (uint8) and ``names`` (int32) of edges, ``groups`` (uint8): by type the bit; ``texts``: how many there
    are. A name is wrong if it is the number of none; -1 if all are right.
    """
    of: cython.const[cython.uchar][::1] = types
    name: cython.const[cython.int][::1] = names
    group: cython.const[cython.uchar][::1] = groups
    end: cython.int = texts
    used = np.zeros(texts, dtype=np.uint8)
    counts = np.zeros(texts, dtype=np.int32)
    bits: cython.uchar[::1] = used
    count: cython.int[::1] = counts
    at: cython.Py_ssize_t
    bit: cython.uchar
    wrong: cython.int = -1
    with cython.nogil:
        for at in range(of.shape[0]):
            bit = group[of[at]]
            if bit == 0:
                continue
            if name[at] < 0 or name[at] >= end:
                wrong = name[at]
                break
            bits[name[at]] |= bit
            count[name[at]] += bit == _PROPERTY
    return used, counts, wrong


def rows(first, order, number, edges, node_types, kinds, texts, codes):
    """``(first, targets, kinds, labels, tables)`` of edges whose nodes come in ``order`` (int32), those inside alone.

    ``first`` (int64) and ``edges``, which are types (uint8), names and targets (int32), are rows by old node, and
    ``node_types`` (uint8) too; ``number`` (int32) gives a node's new number, -1 for one that is left out. ``kinds``
    (uint8): ``Ref`` by type of edge. ``texts``: by text, what it means (uint8), its name or -2 - n if it is the number
    n (int32), and how many properties it names (int32). ``codes``: the types of closures and of arrays, the names of
    what a closure's variables hang on and of a WeakMap's values.

    Labels are not what they will be yet: those of attributes are texts, those of items the places they are at.
    ``tables`` (uint8) by node: what is the table of a Map or Set.
    """
    old_first: cython.longlong[::1] = first
    old: cython.int[::1] = order
    new: cython.int[::1] = number
    type_of: cython.const[cython.uchar][::1] = edges[0]
    name: cython.const[cython.int][::1] = edges[1]
    target: cython.const[cython.int][::1] = edges[2]
    is_of: cython.const[cython.uchar][::1] = node_types
    ref: cython.const[cython.uchar][::1] = kinds
    means: cython.const[cython.uchar][::1] = texts[0]
    called: cython.const[cython.int][::1] = texts[1]
    count: cython.const[cython.int][::1] = texts[2]
    closure: cython.int = codes[0]
    array: cython.int = codes[1]
    variables: cython.int = codes[2]
    weak_value: cython.int = codes[3]
    new_first = np.empty(len(order) + 1, dtype=np.int64)
    new_targets = np.empty(len(edges[2]), dtype=np.int32)
    new_kinds = np.empty(len(edges[2]), dtype=np.uint8)
    new_labels = np.empty(len(edges[2]), dtype=np.int32)
    tables = np.zeros(len(order), dtype=np.uint8)
    begin: cython.longlong[::1] = new_first
    to: cython.int[::1] = new_targets
    kind: cython.uchar[::1] = new_kinds
    label: cython.int[::1] = new_labels
    is_table: cython.uchar[::1] = tables
    i: cython.Py_ssize_t
    at: cython.longlong
    out: cython.Py_ssize_t = 0
    holder: cython.int
    held: cython.int
    text: cython.int
    meaning: cython.int
    most: cython.int
    few: cython.int
    with cython.nogil:
        for i in range(old.shape[0]):
            begin[i] = out
            holder = is_of[old[i]]
            most = 0
            few = 0
            for at in range(old_first[old[i]], old_first[old[i] + 1]):
                held = target[at]
                if new[held] < 0:
                    continue
                text = name[at]
                to[out] = new[held]
                kind[out] = ref[type_of[at]]
                label[out] = -1
                if kind[out] == ATTR:
                    label[out] = text
                    most += 1
                    few += count[text] <= SHARED_BY_FEW and is_of[held] != closure
                elif kind[out] == INDEX:
                    label[out] = text
                elif kind[out] == CELL:
                    label[out] = max(called[text], -1)
                elif kind[out] == INTERNAL:
                    meaning = means[text]
                    label[out] = max(called[text], -1)
                    if called[text] <= -2:
                        kind[out] = ITEM
                        label[out] = -2 - called[text]
                    elif meaning == _HALF:
                        # The key keeps the value alive; the table, which has the same name for it, does not.
                        kind[out] = WEAK if holder == array else INTERNAL
                        label[out] = -1 if holder == array else weak_value
                    elif meaning == _SHAPE:
                        kind[out] = TYPE
                        label[out] = -1
                    elif meaning == _TABLE and is_of[held] == array:
                        kind[out] = DICT
                        label[out] = -1
                        is_table[new[held]] = 1
                    elif meaning == _PREVIOUS or (meaning == _CONTEXT and holder == closure):
                        label[out] = variables
                out += 1
            if few >= DICTIONARY and few * 2 > most:
                for at in range(begin[i], out):
                    if kind[at] == ATTR and count[label[at]] <= SHARED_BY_FEW:
                        kind[at] = INDEX
                        label[at] = at - begin[i]
        begin[old.shape[0]] = out
    return new_first, new_targets[:out], new_kinds[:out], new_labels[:out], tables


def attributes(kinds, labels, texts):
    """By text (uint8): whether it is an attribute's name; ``labels`` as ``rows`` gives them."""
    kind: cython.const[cython.uchar][::1] = kinds
    label: cython.const[cython.int][::1] = labels
    found = np.zeros(texts, dtype=np.uint8)
    names: cython.uchar[::1] = found
    at: cython.Py_ssize_t
    with cython.nogil:
        for at in range(kind.shape[0]):
            if kind[at] == ATTR:
                names[label[at]] = 1
    return found


def finish(first, targets, kinds, labels, tables, called):
    """Makes labels and kinds of what ``rows`` gave final: names of attributes, and entries of ``Map`` and ``Set``.

    ``called`` (int32): by text, the attribute's name. OrderedHashMap has key, value and link in turn, OrderedHashSet
    key and link (v8/src/objects/ordered-hash-table.h); links are numbers and no nodes, so that a value follows its key
    where its place is one more.
    """
    begin: cython.const[cython.longlong][::1] = first
    to: cython.const[cython.int][::1] = targets
    kind: cython.uchar[::1] = kinds
    label: cython.int[::1] = labels
    is_table: cython.const[cython.uchar][::1] = tables
    name: cython.const[cython.int][::1] = called
    i: cython.Py_ssize_t
    at: cython.longlong
    key: cython.longlong
    place: cython.int
    before: cython.int
    with cython.nogil:
        for i in range(is_table.shape[0]):
            before = -2
            key = 0
            for at in range(begin[i], begin[i + 1]):
                if kind[at] == ATTR:
                    label[at] = name[label[at]]
                elif kind[at] == ITEM and label[at] >= 0:
                    place = label[at]
                    label[at] = -1
                    if is_table[i] and place == before + 1:
                        kind[key] = DICT_KEY
                        kind[at] = KEY
                        label[at] = to[key]
                        place = -2
                    before = place
                    key = at
