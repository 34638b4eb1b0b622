# The C view of inprocess_walk.py.

from leakscope.kernels.inprocess_abi cimport Class, Obj, OwnFrame
from leakscope.kernels.inprocess_numbers cimport Numbers, Pile
from leakscope.kernels.inprocess_types cimport NameTable, PointerMap, TypeTable


cdef class Walk:
    cdef readonly Numbers numbers
    cdef readonly TypeTable types
    cdef readonly NameTable names
    cdef Pile todo, late, weak, spaces, space_kinds, codes
    cdef PointerMap closures
    cdef bint recording, is_late
    cdef int types_entered
    cdef int known_names[4]
    cdef readonly long long runs, count, room
    cdef Obj holder
    cdef int holder_what, visited
    cdef int[::1] target, label, pending
    cdef unsigned char[::1] kind, space, hashed

    cdef int enter(self, Obj o) noexcept
    cdef int drain(self) except? -1
    cdef int follow_weak(self) except? -1
    cdef int record_into(self, object target, object kind, object label, object space, object hashed) except? -1
    cdef int references(self, Obj o, int row) except? -1
    cdef int emit(self, Obj o, int kind, int label) noexcept
    cdef int namespace(self, Obj space, int role) noexcept
    cdef int attributes(self, Obj o, Class type, int what) except? -1
    cdef int entries(self, Obj o) except? -1
    cdef int closure(self, Obj function) except? -1
    cdef int items(self, Obj *items, Py_ssize_t count) noexcept
    cdef int cells(self, Obj o, int which) except? -1
    cdef int variables(self, OwnFrame *frame) except? -1
    cdef int seen(self, Obj o) noexcept
