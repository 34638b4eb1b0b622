# The C view of masks.py.

from leakscope.kernels.layout cimport Layout
from leakscope.kernels.memory cimport Memory


cdef class Blake2b:
    cdef unsigned long long[::1] h, m, v, iv
    cdef int[:, ::1] sigma
    cdef unsigned char[::1] block
    cdef int filled
    cdef unsigned long long total

    cdef void begin(self) noexcept nogil
    cdef void add(self, unsigned char byte) noexcept nogil
    cdef unsigned long long end(self) noexcept nogil
    cdef void compress(self, bint last) noexcept nogil
    cdef void mix(self, int a, int b, int c, int d, int x, int y) noexcept nogil

cdef long long text_width(Memory memory, Layout layout, long long place) noexcept nogil
cdef long long text_start(Memory memory, Layout layout, long long place) noexcept nogil
cdef unsigned long long mask_text(Memory memory, Layout layout, Blake2b hasher, long long place) noexcept nogil
