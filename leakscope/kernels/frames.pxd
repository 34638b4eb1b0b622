# The C view of frames.py.

from leakscope.kernels.sink cimport Sink

cdef void frame_object(Sink sink, long long place) noexcept nogil
cdef void generator(Sink sink, long long place) noexcept nogil
cdef void running_frame(Sink sink, long long place) noexcept nogil
