# The C view of hprof.py.


cdef class Walk:
    cdef unsigned char* data
    cdef long long size
    cdef int width
    cdef bint filling
    cdef readonly int reason
    cdef readonly long long at
    cdef long long n[12]
    cdef unsigned char sizes[16]
    cdef object _kept
    cdef readonly dict columns
    cdef unsigned long long* u64[20]
    cdef long long* i64[20]
    cdef unsigned char* u8[4]
    cdef int* string_bytes

    cdef inline unsigned long long number(self, long long at, int width) noexcept nogil
    cdef inline unsigned long long id(self, long long at) noexcept nogil
    cdef long long stop(self, int reason, long long at) noexcept nogil
    cdef void records(self, long long at) noexcept nogil
    cdef bint record(self, unsigned char tag, long long at, long long length) noexcept nogil
    cdef long long heap(self, long long at, long long end, bint open_ended) noexcept nogil
    cdef long long root(self, unsigned char tag, long long at, long long end) noexcept nogil
    cdef long long object_dump(self, unsigned char tag, long long at, long long end) noexcept nogil
    cdef long long class_dump(self, long long at, long long end) noexcept nogil
    cdef long long values(self, long long at, long long end, int name_bytes, bint statics) noexcept nogil
    cdef long long declared(self, long long at, long long end) noexcept nogil
