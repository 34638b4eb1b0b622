from typing import Any

from leakscope.kernels._arrays import Floats, Int64s, UInt8s, UInt64s
from leakscope.kernels.layout import Layout
from leakscope.kernels.memory import Memory

class Numbers:
    def __init__(self, numbers: Any, texts: Layout, timezone: int) -> None: ...

def places_of(memory: Memory, addresses: UInt64s) -> Int64s: ...
def read_values(
    memory: Memory, numbers: Numbers, places: Int64s, forms: UInt8s
) -> tuple[UInt8s, Floats, UInt64s, UInt8s]: ...
def mask_values(memory: Memory, numbers: Numbers, places: Int64s, kinds: UInt8s) -> UInt64s: ...
