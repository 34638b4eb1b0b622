# The C view of values.py.

from leakscope.kernels.layout cimport Layout


cdef class Numbers:
    cdef Layout texts
    cdef long long var_size, float_value, object_type
    cdef long long datetime_data, datetime_fold, datetime_hastzinfo, datetime_tzinfo
    cdef long long timedelta_days, timedelta_seconds, timedelta_microseconds, timezone_offset
    cdef unsigned long long timezone
