# The C view of edges.py: attributes that other kernels read.

cdef class Edges:
    cdef object _kept
    cdef readonly int nodes
    cdef readonly long long count
    cdef const long long *first
    cdef const int *target
    cdef const unsigned char *kind
    cdef unsigned char followed[256]
