"""Who refers to whom in a JVM heap dump, and what the JDK's collections hold, as if they were arrays and dicts.

A map's table, bins and entries stay what they are; beside them the map itself refers to what it holds, by key, and
a list by position. So ways lead through one step, and a collection has a length.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.hprof_ids import Ids

NO_COLLECTION, BINS, ARRAY, CHAIN, ALTERNATING, TREE = range(6)
"""Shapes of collections: an array of chains of entries, an array, a chain of nodes, keys and values in turn, a tree."""
SET_VALUE, PLAIN_KEY = 1, 2
"""What objects of a type are worth in a map: the value of every entry of a set; a key that is not looked for."""
_BINS = cython.declare(cython.int, 1)
_ARRAY = cython.declare(cython.int, 2)
_CHAIN = cython.declare(cython.int, 3)
_ALTERNATING = cython.declare(cython.int, 4)
_TREE = cython.declare(cython.int, 5)
KEY = cython.declare(cython.int, 2)  # graph.kinds.Ref
INDEX = cython.declare(cython.int, 3)
ITEM = cython.declare(cython.int, 4)
DICT_KEY = cython.declare(cython.int, 5)
TYPE = cython.declare(cython.int, 9)
WEAK = cython.declare(cython.int, 13)
WEAK_KEY = cython.declare(cython.int, -2)  # in place of an entry's inner field
DEEPEST = cython.declare(cython.int, 128)


@cython.final
@cython.cclass
class Writer:
    """``Writer(data, id_bytes, ids, place, tag, type, layout)``: the dump and its objects, ascending by id.

    ``layout``: columns by type, see ``formats/hprof/layout.py``. Every instance has at least the bytes that its
    type needs; the caller has checked that.
    """

    def __init__(self, data, id_bytes, ids: Ids, place, tag, type, layout):
        self._kept = [data, place, tag, type, np.zeros(len(place), dtype=np.uint8), *layout.values()]
        self.data = cython.cast(cython.p_uchar, address_of(data))
        self.width = id_bytes
        self.ids = ids
        self.place = cython.cast(cython.p_longlong, address_of(place))
        self.tag = cython.cast(cython.p_uchar, address_of(tag))
        self.type = cython.cast(cython.p_int, address_of(type))
        self.seen = cython.cast(cython.p_uchar, address_of(self._kept[4]))
        self.need = cython.cast(cython.p_int, address_of(layout["need"]))
        self.begin = cython.cast(cython.p_int, address_of(layout["begin"]))
        self.begin_at = cython.cast(cython.p_int, address_of(layout["begin_at"]))
        self.above = cython.cast(cython.p_int, address_of(layout["above"]))
        self.above_at = cython.cast(cython.p_int, address_of(layout["above_at"]))
        self.slots = cython.cast(cython.p_int, address_of(layout["slots"]))
        self.slot_at = cython.cast(cython.p_int, address_of(layout["slot_at"]))
        self.slot_name = cython.cast(cython.p_int, address_of(layout["slot_name"]))
        self.slot_kind = cython.cast(cython.p_uchar, address_of(layout["slot_kind"]))
        self.type_node = cython.cast(cython.p_int, address_of(layout["type_node"]))
        self.shape = cython.cast(cython.p_uchar, address_of(layout["shape"]))
        self.shape_at = cython.cast(cython.p_int, address_of(layout["shape_at"]))
        self.entry_key = cython.cast(cython.p_int, address_of(layout["entry_key"]))
        self.entry_value = cython.cast(cython.p_int, address_of(layout["entry_value"]))
        self.entry_next = cython.cast(cython.p_int, address_of(layout["entry_next"]))
        self.entry_inner = cython.cast(cython.p_int, address_of(layout["entry_inner"]))
        self.worth = cython.cast(cython.p_uchar, address_of(layout["worth"]))

    def write(self, first_ref, room, extra):
        """``(target int32, kind uint8, label int32)`` of all references; fills ``first_ref`` (int64[nodes + 1]).

        ``room``: no fewer than there can be; unused memory is given back. ``extra``: arrays ``(holder, target, kind,
        label)``, ascending by holder, of references that stand in no object: of classes, and of nodes behind the last.
        """
        targets = np.empty(room, dtype=np.int32)
        kinds = np.empty(room, dtype=np.uint8)
        labels = np.empty(room, dtype=np.int32)
        self.target = cython.cast(cython.p_int, address_of(targets))
        self.kind = cython.cast(cython.p_uchar, address_of(kinds))
        self.label = cython.cast(cython.p_int, address_of(labels))
        self.count = 0
        first: cython.longlong[::1] = first_ref
        holder: cython.int[::1] = extra[0]
        to: cython.int[::1] = extra[1]
        what: cython.uchar[::1] = extra[2]
        called: cython.int[::1] = extra[3]
        extras: cython.Py_ssize_t = holder.shape[0]
        at: cython.Py_ssize_t = 0
        node: cython.int
        nodes: cython.int = first.shape[0] - 1
        objects: cython.int = len(self._kept[1])
        with cython.nogil:
            for node in range(nodes):
                first[node] = self.count
                if node < objects:
                    if self.tag[node] == 0x21:
                        self.instance(node)
                    elif self.tag[node] == 0x22:
                        self.array(node, INDEX)
                    self.emit(self.type_node[self.type[node]], TYPE, -1)
                while at < extras and holder[at] == node:
                    self.emit(to[at], what[at], called[at])
                    at += 1
            first[nodes] = self.count
        for column in (targets, kinds, labels):
            column.resize(self.count, refcheck=False)
        return targets, kinds, labels

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def id(self, at: cython.longlong) -> cython.ulonglong:
        p: cython.p_uchar = self.data + at
        high: cython.uint = (cython.cast(cython.uint, p[0]) << 24) | (p[1] << 16) | (p[2] << 8) | p[3]
        if self.width == 4:
            return high
        low: cython.uint = (cython.cast(cython.uint, p[4]) << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
        return cython.cast(cython.ulonglong, high) << 32 | low

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def number(self, at: cython.longlong) -> cython.longlong:
        p: cython.p_uchar = self.data + at
        return (cython.cast(cython.uint, p[0]) << 24) | (p[1] << 16) | (p[2] << 8) | p[3]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def emit(self, target: cython.int, kind: cython.int, label: cython.int) -> cython.void:
        if target >= 0:
            self.target[self.count] = target
            self.kind[self.count] = kind
            self.label[self.count] = label
            self.count += 1

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def field(self, node: cython.int, offset: cython.int) -> cython.int:
        """What the field at ``offset`` of an instance's data refers to, -1 for nothing."""
        id: cython.ulonglong = self.id(self.place[node] + 9 + 2 * self.width + offset)
        return self.ids.node(id) if id else -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def instance(self, node: cython.int) -> cython.void:
        row: cython.int = self.type[node]
        of: cython.int = self.begin[row]
        base: cython.int = self.begin_at[row]
        slot: cython.int
        while of >= 0:
            for slot in range(self.slots[of], self.slots[of + 1]):
                self.emit(self.field(node, base + self.slot_at[slot]), self.slot_kind[slot], self.slot_name[slot])
            base += self.above_at[of]
            of = self.above[of]
        if self.shape[row]:
            self.entries(node)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def array(self, node: cython.int, kind: cython.int) -> cython.void:
        """References of an array of objects by position, or those of a list that is kept in it."""
        at: cython.longlong = self.place[node] + 9 + 2 * self.width
        id: cython.ulonglong
        i: cython.longlong
        for i in range(self.number(self.place[node] + 5 + self.width)):
            id = self.id(at + i * self.width)
            if id:
                self.emit(self.ids.node(id), kind, cython.cast(cython.int, i))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def entries(self, node: cython.int) -> cython.void:
        """What a collection holds; what another one has gone through already is left to that."""
        row: cython.int = self.type[node]
        shape: cython.int = self.shape[row]
        inside: cython.int = self.field(node, self.shape_at[row])
        if inside < 0:
            return
        if shape == _CHAIN:
            self.chain(inside, 0)
        elif shape == _TREE:
            self.tree(inside)
        elif self.tag[inside] == 0x22 and not self.seen[inside]:
            self.seen[inside] = 1
            if shape == _BINS:
                self.bins(inside)
            elif shape == _ARRAY:
                self.array(inside, INDEX)
            else:
                self.alternating(inside)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def bins(self, array: cython.int) -> cython.int:
        at: cython.longlong = self.place[array] + 9 + 2 * self.width
        id: cython.ulonglong
        i: cython.longlong
        for i in range(self.number(self.place[array] + 5 + self.width)):
            id = self.id(at + i * self.width)
            if id:
                self.chain(self.ids.node(id), -1)
        return 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def alternating(self, array: cython.int) -> cython.void:
        at: cython.longlong = self.place[array] + 9 + 2 * self.width
        id: cython.ulonglong
        value: cython.ulonglong
        i: cython.longlong
        for i in range(self.number(self.place[array] + 5 + self.width) // 2):
            id = self.id(at + 2 * i * self.width)
            value = self.id(at + (2 * i + 1) * self.width)
            if id and value:
                self.pair(self.ids.node(id), self.ids.node(value), False)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def chain(self, entry: cython.int, position: cython.int) -> cython.int:
        """Entries that refer to the next one; those of lists, which have no key, from ``position`` on."""
        row: cython.int
        item: cython.int
        while entry >= 0 and self.tag[entry] == 0x21 and not self.seen[entry]:
            self.seen[entry] = 1
            row = self.type[entry]
            if self.entry_inner[row] >= 0:  # a bin that is a tree, too
                entry = self.field(entry, self.entry_inner[row])
                continue
            if self.entry_value[row] < 0:
                break
            if self.entry_key[row] >= 0:
                self.entry(entry)
            elif position >= 0:
                item = self.field(entry, self.entry_value[row])
                self.emit(item, INDEX, position)
                position += item >= 0
            entry = self.field(entry, self.entry_next[row]) if self.entry_next[row] >= 0 else -1
        return position

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def tree(self, root: cython.int) -> cython.void:
        """Entries with a left (``entry_next``) and a right one (``entry_inner``); balanced, so never deep."""
        waiting = cython.declare(cython.int[128])
        count: cython.int = 1
        node: cython.int
        row: cython.int
        waiting[0] = root
        while count:
            count -= 1
            node = waiting[count]
            if node < 0 or self.tag[node] != 0x21 or self.seen[node]:
                continue
            self.seen[node] = 1
            row = self.type[node]
            if self.entry_key[row] < 0 or self.entry_value[row] < 0:
                continue
            self.entry(node)
            if count + 2 <= DEEPEST and self.entry_next[row] >= 0 and self.entry_inner[row] >= 0:
                waiting[count] = self.field(node, self.entry_inner[row])
                waiting[count + 1] = self.field(node, self.entry_next[row])
                count += 2

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def entry(self, entry: cython.int) -> cython.void:
        row: cython.int = self.type[entry]
        weak: cython.bint = self.entry_inner[row] == WEAK_KEY
        self.pair(self.field(entry, self.entry_key[row]), self.field(entry, self.entry_value[row]), weak)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pair(self, key: cython.int, value: cython.int, weak: cython.bint) -> cython.void:
        """One entry of a map; of a set, where the value says nothing, one member."""
        if value < 0:
            return
        if self.worth[self.type[value]] == 1:
            self.emit(key, WEAK if weak else ITEM, -1)
            return
        self.emit(value, KEY if key >= 0 else ITEM, key)
        if key >= 0 and self.worth[self.type[key]] != 2:
            self.emit(key, WEAK if weak else DICT_KEY, -1)


@cython.cfunc
def address_of(column) -> cython.size_t:
    return column.ctypes.data


def measure(data, id_bytes, ids, place, tag, type, fixed, array_header, reference_bytes):
    """``(own_size int64, overlaps)``: shallow sizes if arrays have such a header and references are so wide.

    ``fixed`` (int64 by type): bytes of an instance, rounded up. ``overlaps``: how many objects would reach into the
    next one.
    """
    byte: cython.const[cython.uchar][::1] = data
    where: cython.longlong[::1] = place
    tags: cython.const[cython.uchar][::1] = tag
    types: cython.const[cython.int][::1] = type
    id: cython.const[cython.ulonglong][::1] = ids
    of_type: cython.longlong[::1] = fixed
    width: cython.int = id_bytes
    header: cython.longlong = array_header
    wide: cython.longlong = reference_bytes
    sizes = np.zeros(len(place), dtype=np.int64)
    out: cython.longlong[::1] = sizes
    widths = cython.declare(cython.longlong[12])
    i: cython.Py_ssize_t
    at: cython.longlong
    length: cython.longlong
    overlaps: cython.longlong = 0
    for i in range(12):
        widths[i] = 0
    for i in range(4, 12):
        widths[i] = (1, 2, 4, 8, 1, 2, 4, 8)[i - 4]
    with cython.nogil:
        for i in range(where.shape[0]):
            if tags[i] == 0x22 or tags[i] == 0x23:
                at = where[i] + 5 + width
                length = (cython.cast(cython.longlong, byte[at]) << 24) | (byte[at + 1] << 16)
                length |= (byte[at + 2] << 8) | byte[at + 3]
                out[i] = (header + length * (wide if tags[i] == 0x22 else widths[byte[at + 4]]) + 7) & ~7
            else:
                out[i] = of_type[types[i]]
            if i + 1 < where.shape[0] and tags[i] != 0x20 and id[i] + out[i] > id[i + 1]:
                overlaps += 1
    return sizes, int(overlaps)


def first_short(data, id_bytes, place, tag, type, need):
    """The first instance (its number) with fewer bytes than its type's fields take, -1 if there is none."""
    byte: cython.const[cython.uchar][::1] = data
    where: cython.longlong[::1] = place
    tags: cython.const[cython.uchar][::1] = tag
    types: cython.const[cython.int][::1] = type
    least: cython.const[cython.int][::1] = need
    width: cython.int = id_bytes
    i: cython.Py_ssize_t
    at: cython.longlong
    length: cython.longlong
    with cython.nogil:
        for i in range(where.shape[0]):
            if tags[i] == 0x21:
                at = where[i] + 5 + 2 * width
                length = (cython.cast(cython.longlong, byte[at]) << 24) | (byte[at + 1] << 16)
                length |= (byte[at + 2] << 8) | byte[at + 3]
                if length < least[types[i]]:
                    with cython.gil:
                        return int(i)
    return -1
