"""References out of frames, generators and closures (frameobject.c, pycore_frame.h, genobject.c of 3.10 to 3.13)."""

import cython
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Memory, Objects
from cython.cimports.leakscope.kernels.sink import Sink

from leakscope.kernels import _shapes

INTERNAL = cython.declare(cython.int, 0)
INDEX = cython.declare(cython.int, 3)
LOCAL = cython.declare(cython.int, 6)
CELL = cython.declare(cython.int, 7)
STACK = cython.declare(cython.int, 8)
UNRESOLVED = cython.declare(cython.int, _shapes.UNRESOLVED)
FRAME_WORDS_LIMIT = cython.declare(cython.int, 1 << 16)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def generator(sink: Sink, place: cython.longlong) -> cython.void:
    state: cython.uchar
    if sink.layout.generator_iframe < 0:
        return
    state = sink.memory.byte(place + sink.layout.generator_frame_state)
    if state == 0 or state >= 128:  # executing, or negative: created, suspended
        running_frame(sink, place + sink.layout.generator_iframe)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def frame_object(sink: Sink, place: cython.longlong) -> cython.void:
    owned: cython.ulonglong
    if sink.layout.frame_interp_frame < 0:
        frame_of_310(sink, place)
        return
    owned = sink.memory.at(place + sink.layout.frame_interp_frame)
    if owned == sink.address_of(place) + sink.layout.frame_frame_data:
        running_frame(sink, place + sink.layout.frame_frame_data)
    elif owned and not sink.emit(owned, INTERNAL, sink.frame_label[4]) and sink.layout.generator_iframe >= 0:
        # The frame of a generator lies inside the generator object.
        sink.emit(owned - sink.layout.generator_iframe, INTERNAL, sink.frame_label[4])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def running_frame(sink: Sink, place: cython.longlong) -> cython.void:
    """An interpreter frame of 3.11+: on a thread's data stack, in a generator, or in a frame object."""
    code: cython.longlong
    names: cython.ulonglong
    kinds: cython.ulonglong
    total: cython.longlong
    top: cython.longlong
    if place + sink.layout.iframe_localsplus > sink.memory.size:
        return
    sink.emit(sink.memory.at(place + sink.layout.iframe_func), INTERNAL, sink.frame_label[0])
    sink.emit(sink.memory.at(place + sink.layout.iframe_code), INTERNAL, sink.frame_label[1])
    sink.emit(sink.memory.at(place + sink.layout.iframe_locals), INTERNAL, sink.frame_label[2])
    sink.emit(sink.memory.at(place + sink.layout.iframe_frame_obj), INTERNAL, sink.frame_label[3])
    code = sink.memory.span(sink.memory.at(place + sink.layout.iframe_code), sink.layout.code_localspluskinds + 8)
    if code < 0 or sink.objects.node_at_offset(code) < 0:
        return
    total = sink.memory.signed32(code + sink.layout.code_nlocalsplus)
    names = sink.memory.at(code + sink.layout.code_localsplusnames)
    kinds = sink.memory.at(code + sink.layout.code_localspluskinds)
    top = sink.memory.signed32(place + sink.layout.iframe_stacktop)
    if total < 0 or total > FRAME_WORDS_LIMIT:
        return
    local_variables(sink, place + sink.layout.iframe_localsplus, names, kinds, total)
    if top >= total:
        stack(sink, place + sink.layout.iframe_localsplus + total * 8, top - total, STACK)
    elif top < 0:
        stack(
            sink,
            place + sink.layout.iframe_localsplus + total * 8,
            sink.memory.signed32(code + sink.layout.code_stacksize),
            STACK | UNRESOLVED,
        )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def local_variables(
    sink: Sink, place: cython.longlong, names: cython.ulonglong, kinds: cython.ulonglong, total: cython.longlong
) -> cython.void:
    name: cython.longlong = sink.memory.span(names + sink.layout.tuple_items, cython.cast(cython.ulonglong, total) * 8)
    flag: cython.longlong = sink.memory.span(kinds + sink.layout.bytes_sval, cython.cast(cython.ulonglong, total))
    kind: cython.int
    i: cython.longlong
    if name < 0 or flag < 0 or names & 7 or place + total * 8 > sink.memory.size:
        return
    for i in range(total):
        kind = LOCAL
        if sink.memory.byte(flag + i) & (sink.layout.code_kind_cell | sink.layout.code_kind_free):
            kind = CELL
        sink.emit(sink.memory.at(place + i * 8), kind | UNRESOLVED, sink.objects.node(sink.memory.at(name + i * 8)))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stack(sink: Sink, place: cython.longlong, depth: cython.longlong, kind: cython.int) -> cython.void:
    i: cython.longlong
    if depth < 0 or depth > FRAME_WORDS_LIMIT or place + depth * 8 > sink.memory.size:
        return
    for i in range(depth):
        sink.emit(sink.memory.at(place + i * 8), kind, cython.cast(cython.int, i))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def frame_of_310(sink: Sink, place: cython.longlong) -> cython.void:
    code: cython.longlong = sink.memory.span(
        sink.memory.at(place + sink.layout.frame_code), sink.layout.code_cellvars + 8
    )
    slot: cython.longlong = place + sink.layout.frame_localsplus
    depth: cython.longlong = sink.memory.signed32(place + sink.layout.frame_stackdepth)
    if code < 0 or sink.objects.node_at_offset(code) < 0:
        return
    slot = named(sink, slot, sink.memory.at(code + sink.layout.code_varnames), LOCAL)
    slot = named(sink, slot, sink.memory.at(code + sink.layout.code_cellvars), CELL)
    slot = named(sink, slot, sink.memory.at(code + sink.layout.code_freevars), CELL)
    if depth >= 0:
        stack(sink, slot, depth, STACK)
    else:
        stack(sink, slot, sink.memory.signed32(code + sink.layout.code_stacksize), STACK | UNRESOLVED)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def named(sink: Sink, place: cython.longlong, names: cython.ulonglong, kind: cython.int) -> cython.longlong:
    """One slot for each name of a tuple; returns where the next slots begin."""
    length: cython.ulonglong = sink.memory.word(names + 16)
    name: cython.longlong
    i: cython.longlong
    if length > cython.cast(cython.ulonglong, FRAME_WORDS_LIMIT) or names & 7:
        return place
    name = sink.memory.span(names + sink.layout.tuple_items, length * 8)
    if name < 0 or place + cython.cast(cython.longlong, length) * 8 > sink.memory.size:
        return place
    for i in range(cython.cast(cython.longlong, length)):
        sink.emit(sink.memory.at(place + i * 8), kind | UNRESOLVED, sink.objects.node(sink.memory.at(name + i * 8)))
    return place + cython.cast(cython.longlong, length) * 8


def name_closures(objects: Objects, layout: Layout, functions, first_ref, target, kind, label):
    """Names the cells of closures: items of a function's closure tuple become ``CELL`` references, in place.

    ``functions``: addresses (uint64). Labels are nodes of name strings, unresolved.
    """
    address: cython.ulonglong[::1] = functions
    first: cython.longlong[::1] = first_ref
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    memory: Memory = objects.memory
    closure: cython.int
    code: cython.ulonglong
    names: cython.ulonglong
    skip: cython.ulonglong
    count: cython.longlong
    i: cython.Py_ssize_t
    j: cython.longlong
    with cython.nogil:
        for i in range(address.shape[0]):
            closure = objects.node(memory.word(address[i] + layout.function_closure))
            if closure < 0:
                continue
            code = memory.word(address[i] + layout.function_code)
            count = first[closure + 1] - first[closure]
            # Free variables are named last in 3.11+, in a tuple of their own before.
            if layout.code_localsplusnames >= 0:
                names = memory.word(code + layout.code_localsplusnames)
            else:
                names = memory.word(code + layout.code_freevars)
            skip = memory.word(names + 16)
            if count > FRAME_WORDS_LIMIT or skip < cython.cast(cython.ulonglong, count) or skip > FRAME_WORDS_LIMIT:
                continue
            skip -= cython.cast(cython.ulonglong, count)
            for j in range(count):
                if kinds[first[closure] + j] == INDEX:
                    kinds[first[closure] + j] = CELL | UNRESOLVED
                    labels[first[closure] + j] = objects.node(memory.word(names + layout.tuple_items + (skip + j) * 8))
