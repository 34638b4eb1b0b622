import numpy as np
import numpy.typing as npt

from leakscope.kernels._arrays import Int64s, UInt8s

STRINGS: int
LOADED: int
FRAMES: int
TRACES: int
STACKED: int
ROOTS: int
OBJECTS: int
CLASSES: int
STATICS: int
FIELDS: int
ELEMENTS: int
COUNTS: int
CUT_OFF: int
BAD_TAG: int
BAD_HEAP_TAG: int
BAD_TYPE: int
BAD_LENGTH: int
NO_END: int

class Walk:
    reason: int
    at: int
    def __init__(self, data: UInt8s, id_bytes: int) -> None: ...
    def count(self, start: int) -> Int64s | None: ...
    def fill(self, start: int, counts: Int64s) -> dict[str, npt.NDArray[np.generic]]: ...
