# The C view of hprof_edges.py.

from leakscope.kernels.hprof_ids cimport Ids


cdef class Writer:
    cdef unsigned char* data
    cdef int width
    cdef Ids ids
    cdef long long* place
    cdef unsigned char* tag
    cdef int* type
    cdef unsigned char* seen
    cdef object _kept
    cdef int* need
    cdef int* begin
    cdef int* begin_at
    cdef int* above
    cdef int* above_at
    cdef int* slots
    cdef int* slot_at
    cdef int* slot_name
    cdef unsigned char* slot_kind
    cdef int* type_node
    cdef unsigned char* shape
    cdef int* shape_at
    cdef int* entry_key
    cdef int* entry_value
    cdef int* entry_next
    cdef int* entry_inner
    cdef unsigned char* worth
    cdef int* target
    cdef unsigned char* kind
    cdef int* label
    cdef long long count

    cdef unsigned long long id(self, long long at) noexcept nogil
    cdef long long number(self, long long at) noexcept nogil
    cdef inline void emit(self, int target, int kind, int label) noexcept nogil
    cdef inline int field(self, int node, int offset) noexcept nogil
    cdef void instance(self, int node) noexcept nogil
    cdef void array(self, int node, int kind) noexcept nogil
    cdef void entries(self, int node) noexcept nogil
    cdef int bins(self, int array) noexcept nogil
    cdef void alternating(self, int array) noexcept nogil
    cdef int chain(self, int entry, int position) noexcept nogil
    cdef void tree(self, int root) noexcept nogil
    cdef void entry(self, int entry) noexcept nogil
    cdef void pair(self, int key, int value, bint weak) noexcept nogil
