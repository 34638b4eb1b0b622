# The C view of inprocess_types.py.

from leakscope.kernels.inprocess_abi cimport Class, Obj, PyCFunction

cdef enum:
    HEAP = 1  # instances hold a reference to their type
    COMPLETE = 2  # tp_traverse would tell nothing more
    DICT_PART = 4
    LIST_PART = 8
    TUPLE_PART = 16
    SET_PART = 32
    DEQUE_PART = 64
    FRAME_PART = 128
    GENERATOR_PART = 256
    TYPE_PART = 512
    FUNCTION_PART = 1024
    CODE_PART = 2048
    MODULE_PART = 4096
    PLAIN_SIZE = 8192  # object.__sizeof__ tells its size
    TEXT = 16384
    WEAK_PART = 32768
    ASKED_SIZE = 65536  # only sys.getsizeof tells its size

cdef struct Field:
    Py_ssize_t offset
    int kind
    int label

cdef struct TypeRow:
    Class type
    int what
    Py_ssize_t head
    PyCFunction sizeof
    int field
    int fields


cdef class PointerMap:
    cdef size_t *keys
    cdef int *values
    cdef Py_ssize_t room
    cdef Py_ssize_t count

    cdef int get(self, void *key) noexcept nogil
    cdef int put(self, void *key, int value) except? -1


cdef class NameTable:
    cdef readonly list texts
    cdef dict _number
    cdef PointerMap _known

    cdef int of_text(self, object text) except? -1
    cdef int of_object(self, Obj text) except? -1


cdef class TypeTable:
    cdef readonly NameTable names
    cdef PointerMap _row
    cdef TypeRow *rows
    cdef readonly int count
    cdef int room
    cdef Field *fields
    cdef int fields_count
    cdef int fields_room

    cdef int row(self, Class type) except? -1
    cdef int add(self, Class type) except? -1
    cdef int add_fields(self, Class type, int what) except? -1
    cdef int add_field(self, Py_ssize_t offset, int kind, object name) except? -1
