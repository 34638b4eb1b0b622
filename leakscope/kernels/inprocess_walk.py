"""Who refers to whom in the own process: each object's references, by the parts that its type has.

The same walk is made twice. First it finds all objects: ``enter`` and ``drain``.
Then, with their numbers known, it writes the references down: ``record_into``
and ``references``. What an object's parts do not name, its tp_traverse tells.
No Python code runs between the two, so that nothing comes, goes or moves.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.inprocess_abi import (
    Class,
    Obj,
    OwnFrame,
    Py_TPFLAGS_HEAPTYPE,
    PyCodeObject,
    PyDict_Next,
    PyDict_Size,
    PyUnicode_Type,
    own_closure,
    own_code,
    own_dict,
    own_frame,
    own_free_variable,
    own_generator,
    own_generator_has_slots,
    own_is_gc,
    own_keys_shared,
    own_length,
    own_list,
    own_names_code,
    own_namespace,
    own_referent,
    own_shared_key,
    own_shared_keys,
    own_subclasses,
    own_tuple,
    own_type,
    own_values,
    own_values_borrowed,
    own_variable,
    own_word,
)
from cython.cimports.leakscope.kernels.inprocess_numbers import Numbers, Pile, zeros
from cython.cimports.leakscope.kernels.inprocess_types import (
    CODE_PART,
    COMPLETE,
    DEQUE_PART,
    DICT_PART,
    FRAME_PART,
    FUNCTION_PART,
    GENERATOR_PART,
    HEAP,
    LIST_PART,
    MODULE_PART,
    SET_PART,
    TUPLE_PART,
    TYPE_PART,
    WEAK_PART,
    Field,
    NameTable,
    PointerMap,
    TypeTable,
)

# graph.kinds.Ref as C integers.
INTERNAL = cython.declare(cython.int, 0)
ATTR = cython.declare(cython.int, 1)
KEY = cython.declare(cython.int, 2)
INDEX = cython.declare(cython.int, 3)
ITEM = cython.declare(cython.int, 4)
DICT_KEY = cython.declare(cython.int, 5)
LOCAL = cython.declare(cython.int, 6)
CELL = cython.declare(cython.int, 7)
STACK = cython.declare(cython.int, 8)
TYPE = cython.declare(cython.int, 9)
DICT = cython.declare(cython.int, 10)
C_FIELD = cython.declare(cython.int, 11)
GLOBAL = cython.declare(cython.int, 12)
WEAK = cython.declare(cython.int, 13)
LARGEST_NAMESPACE = cython.declare(cython.Py_ssize_t, 5000)  # with more entries its keys are data
MOST_STACK = cython.declare(cython.Py_ssize_t, 1 << 16)


@cython.final
@cython.cclass
class Walk:
    """One reading of the own heap. ``count`` is the references so far, ``runs`` the objects that run code."""

    def __init__(self):
        self.numbers = Numbers()
        self.names = NameTable()
        self.types = TypeTable(self.names)
        self.todo = Pile()
        self.late = Pile()
        self.weak = Pile()
        self.spaces = Pile()
        self.space_kinds = Pile()
        self.codes = Pile()
        self.closures = PointerMap()
        self.recording = self.is_late = False
        for i, name in enumerate(("f_code", "f_func", "f_locals", "__subclasses__")):
            self.known_names[i] = self.names.of_text(name)
        self.types_entered = self.visited = self.holder_what = 0
        self.runs = self.count = self.room = 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def enter(self, o: Obj) -> cython.int:
        """An object exists; ``late`` remembers those that nothing known led to."""
        if o != cython.NULL and self.numbers.mark(o):
            self.todo.push(o)
            if self.is_late:
                self.late.push(o)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def drain(self) -> cython.int:
        """Finds everything behind what was entered. Types are alive as long as an instance is."""
        o: Obj
        row: cython.int
        while True:
            while self.todo.count:
                self.todo.count -= 1
                o = cython.cast(Obj, self.todo.items[self.todo.count])
                row = self.types.row(own_type(o))
                if self.types.rows[row].what & TYPE_PART:
                    self.types.row(cython.cast(Class, o))
                if self.types.rows[row].what & (FUNCTION_PART | CODE_PART | FRAME_PART | GENERATOR_PART):
                    self.runs += 1
                self.references(o, row)
            if self.types_entered == self.types.count:
                break
            while self.types_entered < self.types.count:
                self.enter(cython.cast(Obj, self.types.rows[self.types_entered].type))
                self.types_entered += 1
        if self.todo.failed or self.late.failed or self.weak.failed or self.spaces.failed or self.codes.failed:
            raise MemoryError("no memory for the list of all objects")
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def follow_weak(self) -> cython.int:
        """Objects that only weak references know exist too."""
        at: cython.Py_ssize_t = 0
        while at < self.weak.count:
            self.enter(cython.cast(Obj, self.weak.items[at]))
            self.drain()
            at += 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def record_into(self, target: object, kind: object, label: object, space: object, hashed: object) -> cython.int:
        """From now on references are written to the first three; the others are uint8 by object."""
        i: cython.Py_ssize_t
        node: cython.int
        self.target = target
        self.kind = kind
        self.label = label
        self.space = space
        self.hashed = hashed
        self.pending = zeros(len(space) + 1, np.int32)
        for i in range(self.spaces.count):
            node = self.numbers.number(self.spaces.items[i])
            if node >= 0:
                self.space[node] = cython.cast(cython.uchar, cython.cast(cython.size_t, self.space_kinds.items[i]))
        self.recording = True
        self.room = len(target)
        self.count = 0
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def references(self, o: Obj, row: cython.int) -> cython.int:
        """All references that an object holds."""
        type: Class = self.types.rows[row].type
        what: cython.int = self.types.rows[row].what
        begin: cython.longlong = self.count
        field: cython.pointer(Field)
        frame = cython.declare(OwnFrame)
        i: cython.int
        self.holder = o
        self.holder_what = what
        self.visited = 0
        if what & HEAP:
            self.emit(cython.cast(Obj, type), TYPE, -1)
        if what & DICT_PART:
            self.entries(o)
        elif what & LIST_PART:
            self.items(own_list(o), own_length(o))
        elif what & TUPLE_PART:
            self.cells(o, self.closures.get(o))
        elif what & FUNCTION_PART:
            self.closure(o)
        elif what & WEAK_PART:
            self.emit(own_referent(o), WEAK, -1)
        elif (what & FRAME_PART and own_frame(o, cython.address(frame))) or (
            what & GENERATOR_PART and own_generator_has_slots() and own_generator(o, cython.address(frame))
        ):
            if own_names_code():
                self.emit(cython.cast(Obj, frame.code), INTERNAL, self.known_names[0])
                self.emit(frame.function, INTERNAL, self.known_names[1])
                self.emit(frame.locals, INTERNAL, self.known_names[2])
            self.variables(cython.address(frame))
        if type.tp_dictoffset:
            self.attributes(o, type, what)
        for i in range(self.types.rows[row].fields):
            field = cython.address(self.types.fields[self.types.rows[row].field + i])
            self.emit(own_word(o, field.offset), field.kind, field.label)
        if not what & COMPLETE and own_is_gc(o) and type.tp_traverse != cython.NULL:
            type.tp_traverse(o, _visit, cython.cast(cython.p_void, self))
        if self.recording and not what & COMPLETE:
            while begin < self.count:
                self.pending[self.target[begin]] = 0
                begin += 1
        return 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def emit(self, o: Obj, kind: cython.int, label: cython.int) -> cython.int:
        """One reference to ``o``, which may be NULL."""
        node: cython.int
        if o == cython.NULL:
            return 0
        if not self.recording:
            self.count += 1
            if kind == WEAK:
                self.weak.push(o)
            else:
                self.enter(o)
            return 0
        node = self.numbers.number(o)
        if node < 0 or self.count >= self.room:
            return 0
        self.target[self.count] = node
        self.kind[self.count] = cython.cast(cython.uchar, kind)
        self.label[self.count] = label
        self.count += 1
        if not self.holder_what & COMPLETE:
            self.pending[node] += 1
        return 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def namespace(self, space: Obj, role: cython.int) -> cython.int:
        """An object's ``__dict__``: its keys are attributes (role 1) or names in a module or class (2)."""
        if space != cython.NULL:
            self.emit(space, DICT, -1)
            if not self.recording:
                self.spaces.push(space)
                self.space_kinds.push(cython.cast(cython.p_void, cython.cast(cython.size_t, role)))
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def attributes(self, o: Obj, type: Class, what: cython.int) -> cython.int:
        """What an instance keeps in its ``__dict__``, or in place of one."""
        values: cython.pointer(Obj)
        i: cython.Py_ssize_t
        if what & TYPE_PART:
            self.namespace(own_namespace(cython.cast(Class, o)), 2)
            self.emit(own_subclasses(cython.cast(Class, o)), INTERNAL, self.known_names[3])
            return 0
        values = own_values(o, type)
        if values != cython.NULL:
            for i in range(own_shared_keys(type)):
                if values[i] != cython.NULL:
                    label = self.names.of_object(own_shared_key(type, i)) if self.recording else 0
                    self.emit(values[i], ATTR, label)
        self.namespace(own_dict(o, type), 2 if what & MODULE_PART else 1)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def entries(self, o: Obj) -> cython.int:
        """Keys and values of a dict. Keys that many dicts share belong to none of them."""
        at: cython.Py_ssize_t = 0
        key: Obj = cython.NULL
        value: Obj = cython.NULL
        shared: cython.bint = own_keys_shared(o)
        borrowed: cython.bint = own_values_borrowed(o)
        role: cython.int = 0
        key_node: cython.int
        if self.recording:
            role = self.space[self.numbers.number(o)]
            if role and PyDict_Size(o) > LARGEST_NAMESPACE:
                role = 0
        while PyDict_Next(o, cython.address(at), cython.address(key), cython.address(value)):
            if not shared:
                self.emit(key, DICT_KEY, -1)
            elif not self.recording:
                self.enter(key)
            if borrowed:
                continue
            if not self.recording:
                self.emit(value, KEY, 0)
            elif role and own_type(key) == cython.address(PyUnicode_Type):
                self.emit(value, ATTR if role == 1 else GLOBAL, self.names.of_object(key))
            else:
                key_node = self.numbers.number(key)
                self.emit(value, KEY, key_node)
                if own_type(value).tp_flags & Py_TPFLAGS_HEAPTYPE and own_type(key) == cython.address(PyUnicode_Type):
                    self.hashed[key_node] = 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def closure(self, function: Obj) -> cython.int:
        """Remembers whose variables are in the cells of the function's closure."""
        cells: Obj = own_closure(function)
        if cells != cython.NULL and not self.recording and self.closures.get(cells) < 0:
            self.closures.put(cells, cython.cast(cython.int, self.codes.count))
            self.codes.push(own_code(function))
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def cells(self, o: Obj, which: cython.int) -> cython.int:
        """What is in a tuple, which may be the closure of one of ``codes``."""
        code: cython.pointer(PyCodeObject)
        i: cython.Py_ssize_t
        if which < 0 or not self.recording:
            return self.items(own_tuple(o), own_length(o))
        code = cython.cast(cython.pointer(PyCodeObject), self.codes.items[which])
        for i in range(own_length(o)):
            self.emit(own_tuple(o)[i], CELL, self.names.of_object(own_free_variable(code, i)))
        return 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def items(self, items: cython.pointer(Obj), count: cython.Py_ssize_t) -> cython.int:
        i: cython.Py_ssize_t
        for i in range(count):
            self.emit(items[i], INDEX, cython.cast(cython.int, i))
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def variables(self, frame: cython.pointer(OwnFrame)) -> cython.int:
        """A frame's local variables and cells, and what its stack holds as long as it does not run."""
        i: cython.Py_ssize_t
        cell: cython.int = 0
        name: Obj
        for i in range(frame.named):
            name = own_variable(frame.code, i, cython.address(cell))
            if frame.slots[i] != cython.NULL:
                label = self.names.of_object(name) if self.recording else 0
                self.emit(frame.slots[i], CELL if cell else LOCAL, label)
        for i in range(frame.named, min(frame.top, frame.named + MOST_STACK)):
            self.emit(frame.slots[i], STACK, cython.cast(cython.int, i - frame.named))
        return 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def seen(self, o: Obj) -> cython.int:
        """What tp_traverse visits, less what was emitted for the object before."""
        node: cython.int
        at: cython.Py_ssize_t
        kind: cython.int = C_FIELD
        label: cython.int = -1
        if not self.recording:
            self.count += 1
            return self.enter(o)
        node = self.numbers.number(o)
        if node < 0 or self.count >= self.room:
            return 0
        if self.pending[node] > 0:
            self.pending[node] -= 1
            return 0
        if self.holder_what & SET_PART:
            kind = ITEM
        elif self.holder_what & DEQUE_PART:
            kind = INDEX
            label = self.visited
            self.visited += 1
        else:
            for at in range(16, own_type(self.holder).tp_basicsize, 8):
                if own_word(self.holder, at) == o:
                    label = cython.cast(cython.int, at)
                    break
        self.target[self.count] = node
        self.kind[self.count] = cython.cast(cython.uchar, kind)
        self.label[self.count] = label
        self.count += 1
        return 0


@cython.cfunc
@cython.exceptval(check=False)
def _visit(o: Obj, walk: cython.p_void) -> cython.int:
    """A visitproc: tp_traverse goes on as long as it returns 0."""
    cython.cast(Walk, walk).seen(o)
    return 0
