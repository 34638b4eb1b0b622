from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.hprof_ids import Ids

NO_COLLECTION: int
BINS: int
ARRAY: int
CHAIN: int
ALTERNATING: int
TREE: int
SET_VALUE: int
PLAIN_KEY: int

class Writer:
    def __init__(
        self,
        data: UInt8s,
        id_bytes: int,
        ids: Ids,
        place: Int64s,
        tag: UInt8s,
        type: Int32s,
        layout: Mapping[str, npt.NDArray[np.generic]],
    ) -> None: ...
    def write(
        self, first_ref: Int64s, room: int, extra: tuple[Int32s, Int32s, UInt8s, Int32s]
    ) -> tuple[Int32s, UInt8s, Int32s]: ...

def measure(
    data: UInt8s,
    id_bytes: int,
    ids: UInt64s,
    place: Int64s,
    tag: UInt8s,
    type: Int32s,
    fixed: Int64s,
    array_header: int,
    reference_bytes: int,
) -> tuple[Int64s, int]: ...
def first_short(data: UInt8s, id_bytes: int, place: Int64s, tag: UInt8s, type: Int32s, need: Int32s) -> int: ...
