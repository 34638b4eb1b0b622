# The C view of masks.py.

from leakscope.kernels.layout cimport Layout
from leakscope.kernels.memory cimport Memory


cdef class Blake2b:
    cdef unsigned long long h[8]
    cdef unsigned long long iv[8]
    cdef unsigned long long m[16]
    cdef unsigned char sigma[160]
    cdef int filled
    cdef unsigned long long total

    cdef void begin(self) noexcept nogil
    cdef inline void add(self, unsigned char byte) noexcept nogil
    cdef unsigned long long end(self) noexcept nogil
    cdef void compress(self, bint last) noexcept nogil

cdef long long text_width(Memory memory, Layout layout, long long place) noexcept nogil
cdef long long text_start(Memory memory, Layout layout, long long place) noexcept nogil
cdef unsigned long long mask_text(Memory memory, Layout layout, Blake2b hasher, long long place) noexcept nogil
cdef void add_character(Blake2b hasher, long long code) noexcept nogil
