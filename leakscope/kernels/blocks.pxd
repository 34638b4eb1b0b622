# The C view of blocks.py.

from leakscope.kernels.sink cimport Sink


cdef class Blocks:
    cdef Sink sink
    cdef unsigned char[::1] claimed
    cdef unsigned long long owner

    cdef void word(self, unsigned long long address, int label, long long traits, int depth) noexcept nogil
    cdef void block(self, unsigned long long address, long long traits, int depth) noexcept nogil
    cdef long long pymalloc_block(self, unsigned long long address) noexcept nogil
