# The C view of inprocess_numbers.py.

cdef object zeros(Py_ssize_t count, object dtype)


cdef class Numbers:
    cdef size_t *keys
    cdef int *slots
    cdef int room
    cdef size_t *page
    cdef unsigned long long *bits
    cdef int *before
    cdef int pages
    cdef int pages_room
    cdef size_t last_key
    cdef int last_slot
    cdef readonly long long count
    cdef readonly bint failed

    cdef bint mark(self, void *address) noexcept nogil
    cdef void unmark(self, void *address) noexcept nogil
    cdef int number(self, void *address) noexcept nogil
    cdef int find(self, size_t key) noexcept nogil
    cdef int insert(self, size_t key) noexcept nogil
    cdef void grow(self) noexcept nogil
    cdef int number_page(self, size_t key, unsigned long long[::1] out, int done) noexcept


cdef class Pile:
    cdef void **items
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef bint failed

    cdef void push(self, void *item) noexcept nogil
