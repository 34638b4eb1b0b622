# The C view of containers.py.

from leakscope.kernels.sink cimport Sink

cdef void dictionary(Sink sink, long long place) noexcept nogil
cdef void shared_values(Sink sink, unsigned long long keys, unsigned long long values, int kind) noexcept nogil
cdef void shared_keys(Sink sink, long long place) noexcept nogil
cdef void hash_set(Sink sink, long long place) noexcept nogil
cdef void deque(Sink sink, long long place) noexcept nogil
