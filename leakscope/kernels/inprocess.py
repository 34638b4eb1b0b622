"""The heap of the own interpreter in columns: the one door of the ``inprocess_*`` kernels.

The whole reading is one call that runs no Python code, so that the heap stands still in it although no other thread
is stopped. It needs the GIL throughout, and so takes nothing of NumPy but empty arrays: what sorts, fills or searches
one lets other threads run, and what they free would be read.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.inprocess_abi import (
    Obj,
    OwnFrame,
    Py_DECREF,
    PyCodeObject,
    PyErr_Clear,
    PyErrItem,
    PyFrameObject,
    PyInterpreterState_Get,
    PyInterpreterState_ThreadHead,
    PyLong_AsSsize_t,
    PyThreadState,
    PyThreadState_Get,
    PyThreadState_Next,
    own_asked_size,
    own_character,
    own_characters,
    own_code,
    own_code_name,
    own_count,
    own_frame,
    own_frame_back,
    own_generator,
    own_immortal,
    own_is_tracked,
    own_length,
    own_line,
    own_thread_frame,
    own_type,
)
from cython.cimports.leakscope.kernels.inprocess_numbers import zeros
from cython.cimports.leakscope.kernels.inprocess_types import (
    ASKED_SIZE,
    CODE_PART,
    FRAME_PART,
    FUNCTION_PART,
    GENERATOR_PART,
    MODULE_PART,
    PLAIN_SIZE,
    TYPE_PART,
    TypeRow,
)
from cython.cimports.leakscope.kernels.inprocess_walk import Walk
from cython.cimports.leakscope.kernels.masks import Blake2b, add_character

# graph.kinds.Node as C integers.
GC_TRACKED = cython.declare(cython.int, 1)
IMMORTAL = cython.declare(cython.int, 2)
IS_CLASS = cython.declare(cython.int, 16)
IS_MODULE = cython.declare(cython.int, 32)
LONGEST_KEY = cython.declare(cython.Py_ssize_t, 1 << 16)  # as in ``masks``
MOST_MASKED = 2_000_000  # as in ``cpython.labels``


class OwnHeap:
    """What ``read_own_heap`` found; the columns are those of ``HeapGraph``, whose tables the rest makes up."""

    def __init__(self, **columns):
        self.__dict__.update(columns)


def read_own_heap(get_objects, seeds, frame, hidden):
    """All objects of this process.

    ``get_objects``: ``gc.get_objects``. ``seeds``: what is alive by itself, such as modules. ``frame``: where the
    current thread's frames begin; those above it are left out. ``hidden``: objects that are not to be seen.
    MemoryError if there is not enough of it. The collector must be off.
    """
    tracked: list = get_objects()  # before anything else is made
    walk: Walk = Walk()
    hides: list = [*hidden, hidden, seeds]
    o: object
    i: cython.Py_ssize_t
    for o in hides:
        walk.numbers.mark(cython.cast(cython.p_void, cython.cast(Obj, o)))
    for o in seeds:
        walk.enter(cython.cast(Obj, o))
    frames, of_threads = _threads(walk, frame)
    walk.drain()
    walk.is_late = True
    for o in tracked:
        walk.enter(cython.cast(Obj, o))
    walk.drain()
    walk.follow_weak()
    for o in hides:
        walk.numbers.unmark(cython.cast(cython.p_void, cython.cast(Obj, o)))
    o = None
    del tracked
    addresses = walk.numbers.seal()
    late = np.empty(walk.late.count, dtype=np.int32)
    late_count = np.empty(walk.late.count, dtype=np.int64)
    late_view: cython.int[::1] = late
    count_view: cython.longlong[::1] = late_count
    for i in range(walk.late.count):
        late_view[i] = walk.numbers.number(walk.late.items[i])
        count_view[i] = own_count(cython.cast(Obj, walk.late.items[i]))
    heap = _columns(walk, addresses)
    heap.late, heap.late_count = late, late_count
    heap.frames_of_threads, heap.held_by_threads = frames, of_threads
    return heap


@cython.cfunc
def _threads(walk: Walk, visible: object):
    """Frames of all threads and what their states hold, as lists of ``(object, thread's identity)``."""
    current: cython.pointer(PyThreadState) = PyThreadState_Get()
    state: cython.pointer(PyThreadState) = PyInterpreterState_ThreadHead(PyInterpreterState_Get())
    item: cython.pointer(PyErrItem)
    frame: Obj
    back: Obj
    frames: list = []
    held: list = []
    while state != cython.NULL:
        frame = own_thread_frame(state)
        seen = state != current
        while frame != cython.NULL:
            found = cython.cast(object, frame)
            Py_DECREF(frame)
            seen = seen or found is visible or visible is None
            if seen:
                frames.append((found, state.thread_id))
                walk.enter(frame)
            back = own_frame_back(cython.cast(cython.pointer(PyFrameObject), frame))
            frame = back
        _hold(walk, held, state.dict, state.thread_id)
        _hold(walk, held, state.context, state.thread_id)
        item = state.exc_info
        while item != cython.NULL:
            _hold(walk, held, item.exc_value, state.thread_id)
            item = item.previous_item
        state = PyThreadState_Next(state)
    return frames, held


@cython.cfunc
def _hold(walk: Walk, held: list, o: Obj, thread: object):
    if o != cython.NULL and cython.cast(object, o) is not None:
        held.append((cython.cast(object, o), thread))
        walk.enter(o)


@cython.cfunc
def _columns(walk: Walk, addresses):
    """The second walk: everything by object, in the order of their addresses."""
    n: cython.Py_ssize_t = len(addresses)
    address: cython.ulonglong[::1] = addresses
    row = np.empty(n, dtype=np.int32)
    size = np.empty(n, dtype=np.int64)
    flags = np.empty(n, dtype=np.uint8)
    first_ref = np.empty(n + 1, dtype=np.int64)
    row_view: cython.int[::1] = row
    size_view: cython.longlong[::1] = size
    flags_view: cython.uchar[::1] = flags
    first_view: cython.longlong[::1] = first_ref
    target = np.empty(walk.count, dtype=np.int32)
    kind = np.empty(walk.count, dtype=np.uint8)
    label = np.empty(walk.count, dtype=np.int32)
    hashed = zeros(n, np.uint8)
    runs = zeros(walk.runs * 4, np.int32).reshape(-1, 4)
    runs_view: cython.int[:, ::1] = runs
    run: cython.Py_ssize_t = 0
    types: list = [None] * n_types(walk)
    i: cython.Py_ssize_t
    o: Obj
    what: cython.int
    walk.record_into(target, kind, label, zeros(n, np.uint8), hashed)
    for i in range(n):
        o = cython.cast(Obj, cython.cast(cython.size_t, address[i]))
        row_view[i] = walk.types.row(own_type(o))
        what = walk.types.rows[row_view[i]].what
        first_view[i] = walk.count
        walk.references(o, row_view[i])
        size_view[i] = _size(o, cython.address(walk.types.rows[row_view[i]]))
        flags_view[i] = (GC_TRACKED if own_is_tracked(o) else 0) | (IMMORTAL if own_immortal(o) else 0)
        if what & TYPE_PART:
            flags_view[i] |= IS_CLASS
        elif what & MODULE_PART:
            flags_view[i] |= IS_MODULE
        elif what & (CODE_PART | FUNCTION_PART | FRAME_PART | GENERATOR_PART) and run < runs_view.shape[0]:
            run += _run(walk, o, what, cython.cast(cython.int, i), cython.address(runs_view[run, 0]))
    first_view[n] = walk.count
    keys, key_names = _masked(walk, address, hashed)
    for i in range(len(types)):
        types[i] = cython.cast(object, cython.cast(Obj, walk.types.rows[i].type))
    base = np.empty(len(types), dtype=np.int32)
    base_view: cython.int[::1] = base
    for i in range(len(types)):
        base_view[i] = -1
        if walk.types.rows[i].type.tp_base != cython.NULL:
            base_view[i] = walk.types.row(walk.types.rows[i].type.tp_base)
    return OwnHeap(
        address=addresses, type=row, own_size=size, flags=flags, first_ref=first_ref,
        target=target[: walk.count], kind=kind[: walk.count], label=label[: walk.count],
        runs=runs[:run], types=types, base=base, keys=keys, key_names=key_names, names=walk.names.texts,
    )  # fmt: skip


@cython.cfunc
def n_types(walk: Walk):
    return walk.types.count


@cython.cfunc
@cython.exceptval(check=False)
def _size(o: Obj, row: cython.pointer(TypeRow)) -> cython.longlong:
    """As ``sys.getsizeof`` says, but for a ``__sizeof__`` written in Python, which is not run."""
    size: cython.longlong
    said: Obj
    if row.what & ASKED_SIZE:
        size = own_asked_size(o)
        if size < 0:
            PyErr_Clear()
        return max(0, size)
    if row.what & PLAIN_SIZE:
        size = row.type.tp_basicsize
        if row.type.tp_itemsize:
            size += row.type.tp_itemsize * abs(own_length(o))
        return size + row.head
    said = row.sizeof(o, cython.NULL)
    if said == cython.NULL:
        PyErr_Clear()
        return row.type.tp_basicsize + row.head
    size = PyLong_AsSsize_t(said)
    Py_DECREF(said)
    if size < 0:
        PyErr_Clear()
        size = row.type.tp_basicsize
    return size + row.head


@cython.cfunc
@cython.exceptval(-1)
def _run(walk: Walk, o: Obj, what: cython.int, node: cython.int, out: cython.p_int) -> cython.int:
    """Node, function, file and line of something that runs code; 0 if it has none any more."""
    frame = cython.declare(OwnFrame)
    code: cython.pointer(PyCodeObject)
    place: cython.int = -1
    if what & CODE_PART:
        code = cython.cast(cython.pointer(PyCodeObject), o)
    elif what & FUNCTION_PART:
        code = own_code(o)
    elif (what & FRAME_PART and own_frame(o, cython.address(frame))) or (
        what & GENERATOR_PART and own_generator(o, cython.address(frame))
    ):
        code, place = frame.code, frame.lasti
    else:
        return 0
    out[0] = node
    out[1] = walk.names.of_object(own_code_name(code))
    out[2] = walk.names.of_object(code.co_filename)
    out[3] = own_line(code, place)
    return 1


@cython.cfunc
def _masked(walk: Walk, address: cython.ulonglong[::1], hashed):
    """The keys under which dicts keep instances of classes, and their masks as names."""
    is_hashed: cython.uchar[::1] = hashed
    count: cython.Py_ssize_t = 0
    o: Obj
    length: cython.Py_ssize_t
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    for i in range(is_hashed.shape[0]):
        count += is_hashed[i] != 0
    nodes = np.empty(min(count, MOST_MASKED), dtype=np.int32)
    names = np.empty(len(nodes), dtype=np.int32)
    node: cython.int[::1] = nodes
    name: cython.int[::1] = names
    hasher: Blake2b = Blake2b()
    count = 0
    for i in range(is_hashed.shape[0]):
        if not is_hashed[i] or count == node.shape[0]:
            continue
        o = cython.cast(Obj, cython.cast(cython.size_t, address[i]))
        length = own_characters(o)
        if 0 <= length <= LONGEST_KEY:
            hasher.begin()
            for at in range(length):
                add_character(hasher, own_character(o, at))
            node[count] = cython.cast(cython.int, i)
            name[count] = walk.names.of_text(f"#{hasher.end():012x}")
            count += 1
    return nodes[:count], names[:count]
