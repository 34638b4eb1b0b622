from leakscope.kernels._arrays import Int64s, UInt64s
from leakscope.kernels.layout import Layout
from leakscope.kernels.memory import Memory

def mask_texts(memory: Memory, layout: Layout, offsets: Int64s) -> UInt64s: ...
