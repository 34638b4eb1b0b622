# The C view of paging.py.

cdef class Pager:
    cdef int faults
    cdef int stop
    cdef int pid
    cdef unsigned long long base
    cdef long long size
    cdef unsigned long long[::1] starts
    cdef unsigned long long[::1] offsets
    cdef unsigned char[::1] window
    cdef unsigned long long[::1] pieces
    cdef readonly bint lost
    cdef readonly long long unreadable

    cdef void fill(self, unsigned long long address) noexcept nogil
    cdef void read_pages(self, long long start, long long length) noexcept nogil
    cdef long long cut(self, long long start, long long length) noexcept nogil
    cdef void give(self, long long start, long long length) noexcept nogil
