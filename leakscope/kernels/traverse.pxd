# The C view of traverse.py.

from leakscope.kernels.edges cimport Edges

cdef class Search:
    cdef Edges edges
    cdef int free_kind
    cdef readonly int count
    cdef readonly object state
    cdef readonly object parent
    cdef readonly object parent_edge
    cdef readonly object order
    cdef unsigned char *state_at
    cdef int *parent_at
    cdef long long *edge_at
    cdef int *order_at

    cdef inline void take(self, int node) noexcept nogil
    cdef void expand(self, int node, unsigned char *walls) noexcept nogil
