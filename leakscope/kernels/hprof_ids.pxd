# The C view of hprof_ids.py.


cdef class Ids:
    cdef object _ids, _starts
    cdef unsigned long long* ids
    cdef int* starts
    cdef int count
    cdef int shift
    cdef unsigned long long low, high

    cdef void begin(self, long long buckets) noexcept
    cdef int node(self, unsigned long long id) noexcept nogil
