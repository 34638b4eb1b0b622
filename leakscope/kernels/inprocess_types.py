"""What the types of the own process look like: which parts their instances have, and what the fields are called."""

import cython
from cython.cimports.leakscope.kernels.inprocess_abi import (
    METH_NOARGS,
    Class,
    Obj,
    OwnField,
    Py_TPFLAGS_HEAPTYPE,
    PyBaseObject_Type,
    PyCode_Type,
    PyDict_Type,
    PyFrame_Type,
    PyFrozenSet_Type,
    PyFunction_Type,
    PyList_Type,
    PyMemberDef,
    PyMethodDescr_Type,
    PyMethodDescrObject,
    PyModule_Type,
    PySet_Type,
    PyTuple_Type,
    PyType_IsSubtype,
    PyType_Type,
    PyUnicode_Type,
    own_fields,
    own_head,
    own_is_generator_type,
    own_is_object_member,
    own_is_weak_type,
    own_lookup,
    own_type,
    traverseproc,
)
from cython.cimports.leakscope.kernels.inprocess_types import (
    ASKED_SIZE,
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
    PLAIN_SIZE,
    SET_PART,
    TEXT,
    TUPLE_PART,
    TYPE_PART,
    WEAK_PART,
    Field,
    TypeRow,
)
from cython.cimports.libc.stdlib import calloc, free, realloc
from cython.cimports.libc.string import strcmp

INTERNAL = cython.declare(cython.int, 0)
ATTR = cython.declare(cython.int, 1)
_MIX = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
_LONGEST_NAME = 200
_SIZEOF = "__sizeof__"


class _Plain:
    """Its tp_traverse is that of all classes that are written in Python."""


_subtype_traverse = cython.declare(traverseproc, cython.cast(Class, cython.cast(Obj, _Plain)).tp_traverse)


@cython.final
@cython.cclass
class PointerMap:
    """From addresses to numbers that are not negative; ``get`` says -1 for what is not there."""

    def __cinit__(self):
        self.room = 1 << 10
        self.count = 0
        self.keys = cython.cast(cython.pointer(cython.size_t), calloc(self.room, cython.sizeof(cython.size_t)))
        self.values = cython.cast(cython.p_int, calloc(self.room, cython.sizeof(cython.int)))
        if self.keys == cython.NULL or self.values == cython.NULL:
            raise MemoryError("no memory for a table of addresses")

    def __dealloc__(self):
        free(self.keys)
        free(self.values)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def get(self, key: cython.p_void) -> cython.int:
        wanted: cython.size_t = cython.cast(cython.size_t, key)
        at: cython.size_t = cython.cast(cython.size_t, (wanted * _MIX) >> 32) & cython.cast(
            cython.size_t, self.room - 1
        )
        while self.keys[at]:
            if self.keys[at] == wanted:
                return self.values[at]
            at = (at + 1) & cython.cast(cython.size_t, self.room - 1)
        return -1

    @cython.cfunc
    @cython.exceptval(-1)
    def put(self, key: cython.p_void, value: cython.int) -> cython.int:
        """Adds a key that is not there yet."""
        old_keys: cython.pointer(cython.size_t) = self.keys
        old_values: cython.p_int = self.values
        old_room: cython.Py_ssize_t = self.room
        i: cython.Py_ssize_t
        at: cython.size_t
        if self.count * 2 >= self.room:
            keys = cython.cast(cython.pointer(cython.size_t), calloc(old_room * 2, cython.sizeof(cython.size_t)))
            values = cython.cast(cython.p_int, calloc(old_room * 2, cython.sizeof(cython.int)))
            if keys == cython.NULL or values == cython.NULL:
                free(keys)
                free(values)
                raise MemoryError("no memory for a table of addresses")
            self.keys = keys
            self.values = values
            self.room = old_room * 2
            self.count = 0
            for i in range(old_room):
                if old_keys[i]:
                    self.put(cython.cast(cython.p_void, old_keys[i]), old_values[i])
            free(old_keys)
            free(old_values)
        wanted: cython.size_t = cython.cast(cython.size_t, key)
        at = cython.cast(cython.size_t, (wanted * _MIX) >> 32) & cython.cast(cython.size_t, self.room - 1)
        while self.keys[at]:
            at = (at + 1) & cython.cast(cython.size_t, self.room - 1)
        self.keys[at] = wanted
        self.values[at] = value
        self.count += 1
        return 0


@cython.final
@cython.cclass
class NameTable:
    """One list of unique texts, and where the names are that ``str`` objects hold."""

    def __init__(self):
        self.texts = []
        self._number = {}
        self._known = PointerMap()

    @cython.cfunc
    @cython.exceptval(-1)
    def of_text(self, text: object) -> cython.int:
        number = self._number.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number

    @cython.cfunc
    @cython.exceptval(-1)
    def of_object(self, text: Obj) -> cython.int:
        """The number of the name in a ``str`` object; ``?`` where there is none. Lone surrogates are spelled out."""
        number: cython.int
        if text == cython.NULL:
            return self.of_text("?")
        number = self._known.get(text)
        if number < 0:
            name = cython.cast(object, text)
            name = name[:_LONGEST_NAME] if type(name) is str else "?"
            if not name.isascii():
                name = name.encode("utf-8", "backslashreplace").decode("utf-8")
            number = self.of_text(name)
            self._known.put(text, number)
        return number


@cython.final
@cython.cclass
class TypeTable:
    """One row per type, numbered as they are met."""

    def __cinit__(self):
        self.rows = cython.NULL
        self.fields = cython.NULL
        self.count = self.room = self.fields_count = self.fields_room = 0

    def __init__(self, names: NameTable):
        self.names = names
        self._row = PointerMap()

    def __dealloc__(self):
        free(self.rows)
        free(self.fields)

    @cython.cfunc
    @cython.exceptval(-1)
    def row(self, type: Class) -> cython.int:
        known: cython.int = self._row.get(type)
        return known if known >= 0 else self.add(type)

    @cython.cfunc
    @cython.exceptval(-1)
    def add(self, type: Class) -> cython.int:
        row: cython.int
        rows: cython.p_void
        sizeof: Obj = own_lookup(type, cython.cast(Obj, _SIZEOF))
        plain: Obj = own_lookup(cython.address(PyBaseObject_Type), cython.cast(Obj, _SIZEOF))
        if self.count == self.room:
            self.room = max(256, self.room * 2)
            rows = realloc(self.rows, self.room * cython.sizeof(TypeRow))
            if rows == cython.NULL:
                raise MemoryError("no memory for the table of types")
            self.rows = cython.cast(cython.pointer(TypeRow), rows)
        row = self.count
        self.count += 1
        self._row.put(type, row)
        what: cython.int = parts_of(type)
        self.rows[row].type = type
        self.rows[row].head = own_head(type)
        self.rows[row].sizeof = cython.NULL
        if sizeof == plain or sizeof == cython.NULL or own_type(sizeof) != cython.address(PyMethodDescr_Type):
            what |= PLAIN_SIZE  # a __sizeof__ written in Python is not run
        elif (
            what & TYPE_PART
            or cython.cast(cython.pointer(PyMethodDescrObject), sizeof).d_method.ml_flags != METH_NOARGS
        ):
            what |= ASKED_SIZE
        else:
            self.rows[row].sizeof = cython.cast(cython.pointer(PyMethodDescrObject), sizeof).d_method.ml_meth
        self.rows[row].field = self.fields_count
        self.add_fields(type, what)
        self.rows[row].fields = self.fields_count - self.rows[row].field
        self.rows[row].what = what
        if type.tp_base != cython.NULL:
            self.row(type.tp_base)
        return row

    @cython.cfunc
    @cython.exceptval(-1)
    def add_fields(self, type: Class, what: cython.int) -> cython.int:
        """Slots of classes, members of C types, and a few more fields whose names Python code knows."""
        base: Class = type
        member: cython.pointer(PyMemberDef)
        known: cython.pointer(cython.const[OwnField]) = cython.NULL
        count: cython.Py_ssize_t = own_fields(cython.address(known))
        i: cython.Py_ssize_t
        while base != cython.NULL:
            member = base.tp_members
            while member != cython.NULL and member.name != cython.NULL:
                if own_is_object_member(member) and member.offset > 0 and member.offset != type.tp_dictoffset:
                    self.add_field(member.offset, ATTR, member.name.decode("utf-8", "replace"))
                member += 1
            for i in range(count):
                if known[i].type == base:
                    self.add_field(known[i].offset, INTERNAL, known[i].name.decode("ascii"))
            base = base.tp_base
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def add_field(self, offset: cython.Py_ssize_t, kind: cython.int, name: object) -> cython.int:
        fields: cython.p_void
        i: cython.int
        for i in range(self.rows[self.count - 1].field, self.fields_count):
            if self.fields[i].offset == offset:
                return 0
        if self.fields_count == self.fields_room:
            self.fields_room = max(1024, self.fields_room * 2)
            fields = realloc(self.fields, self.fields_room * cython.sizeof(Field))
            if fields == cython.NULL:
                raise MemoryError("no memory for the table of fields")
            self.fields = cython.cast(cython.pointer(Field), fields)
        self.fields[self.fields_count].offset = offset
        self.fields[self.fields_count].kind = kind
        self.fields[self.fields_count].label = self.names.of_text(name)
        self.fields_count += 1
        return 0


@cython.cfunc
@cython.exceptval(check=False)
def parts_of(type: Class) -> cython.int:
    """Which parts instances have, as bits."""
    what: cython.int = 0
    solid: Class = type  # the nearest class that is not written in Python: it says how its part is laid out
    if type.tp_flags & Py_TPFLAGS_HEAPTYPE:
        what |= HEAP
    while solid != cython.NULL and solid.tp_traverse == _subtype_traverse:
        solid = solid.tp_base
    if solid == cython.NULL or solid.tp_traverse == cython.NULL or solid == cython.address(PyBaseObject_Type):
        what |= COMPLETE
    for_dict: cython.bint = PyType_IsSubtype(type, cython.address(PyDict_Type))
    if for_dict or PyType_IsSubtype(type, cython.address(PyList_Type)):
        what |= DICT_PART if for_dict else LIST_PART
    elif PyType_IsSubtype(type, cython.address(PyTuple_Type)):
        what |= TUPLE_PART
    elif PyType_IsSubtype(type, cython.address(PySet_Type)) or PyType_IsSubtype(type, cython.address(PyFrozenSet_Type)):
        what |= SET_PART
    elif PyType_IsSubtype(type, cython.address(PyType_Type)):
        what |= TYPE_PART
    elif PyType_IsSubtype(type, cython.address(PyModule_Type)):
        what |= MODULE_PART
    elif type == cython.address(PyUnicode_Type):
        what |= TEXT
    elif type == cython.address(PyCode_Type):
        what |= CODE_PART
    elif type == cython.address(PyFunction_Type):
        what |= FUNCTION_PART
    elif type == cython.address(PyFrame_Type):
        what |= FRAME_PART
    elif own_is_generator_type(type):
        what |= GENERATOR_PART
    elif own_is_weak_type(type):
        what |= WEAK_PART | COMPLETE
    elif strcmp(type.tp_name, b"collections.deque") == 0:
        what |= DEQUE_PART
    if solid == cython.address(PyDict_Type) or solid == cython.address(PyList_Type):
        what |= COMPLETE
    if solid == cython.address(PyTuple_Type):
        what |= COMPLETE
    return what
