# The C view of sink.py.

from leakscope.kernels.layout cimport Layout
from leakscope.kernels.memory cimport Memory, Objects


cdef class Sink:
    cdef Objects objects
    cdef Memory memory
    cdef Layout layout
    cdef unsigned long long[::1] pages
    cdef int[::1] frame_label
    cdef int[::1] targets
    cdef unsigned char[::1] kinds
    cdef int[::1] labels
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef long long budget
    cdef object _targets, _kinds, _labels

    cdef void emit_node(self, int node, int kind, int label) noexcept nogil
    cdef bint emit(self, unsigned long long address, int kind, int label) noexcept nogil
    cdef unsigned long long address_of(self, long long offset) noexcept nogil
    cdef bint spend(self, unsigned long long words) noexcept nogil
    cdef void items(self, long long place, unsigned long long length, int kind) noexcept nogil
    cdef void array(self, unsigned long long address, unsigned long long length) noexcept nogil
