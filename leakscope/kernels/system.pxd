# What paging.py calls of the C library.

cdef extern from "<unistd.h>" nogil:
    long system_call "syscall" (long number, ...)
    long read_file "read" (int descriptor, void *into, unsigned long length)

cdef extern from "<sys/ioctl.h>" nogil:
    int control "ioctl" (int descriptor, unsigned long request, ...)

cdef extern from "<string.h>" nogil:
    void *fill_bytes "memset" (void *at, int value, unsigned long length)

cdef extern from "<errno.h>" nogil:
    int error_number "errno"

cdef extern from "<poll.h>" nogil:
    ctypedef struct Polled "struct pollfd":
        int fd
        short events
        short revents
    int wait_for "poll" (Polled *descriptors, unsigned long count, int timeout)
