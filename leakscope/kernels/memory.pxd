# The C view of memory.py: attributes and the methods that other kernels call.

cdef class Memory:
    cdef readonly object buffer
    cdef object _directory
    cdef object _tables
    cdef unsigned char *bytes
    cdef unsigned long long *words
    cdef int *directory
    cdef int *tables
    cdef readonly long long size

    cdef long long where(self, unsigned long long address) noexcept nogil
    cdef long long span(self, unsigned long long address, unsigned long long length) noexcept nogil
    cdef unsigned long long word(self, unsigned long long address) noexcept nogil
    cdef unsigned long long at(self, long long offset) noexcept nogil
    cdef long long signed32(self, long long offset) noexcept nogil
    cdef unsigned char byte(self, long long offset) noexcept nogil
    cdef long long pool_block(self, unsigned long long address) noexcept nogil
    cdef bint begins_block(self, unsigned long long address, long long size) noexcept nogil
    cdef long long glibc_chunk(self, unsigned long long address) noexcept nogil
    cdef long long mapped_chunk(self, unsigned long long address) noexcept nogil


cdef class Objects:
    cdef readonly Memory memory
    cdef object _bits
    cdef object _ranks
    cdef unsigned long long *bits
    cdef int *ranks
    cdef readonly int count

    cdef int node(self, unsigned long long address) noexcept nogil
    cdef int node_at_offset(self, long long offset) noexcept nogil
