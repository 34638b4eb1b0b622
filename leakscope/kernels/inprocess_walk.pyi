from leakscope.kernels.inprocess_numbers import Numbers
from leakscope.kernels.inprocess_types import NameTable, TypeTable

class Walk:
    numbers: Numbers
    types: TypeTable
    names: NameTable
    runs: int
    count: int
    room: int
