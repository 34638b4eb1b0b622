from leakscope.kernels._arrays import Int32s, Int64s
from leakscope.kernels.layout import Layout
from leakscope.kernels.memory import Memory

def own_sizes(memory: Memory, layout: Layout, offsets: Int64s, rows: Int32s, types: Int64s) -> Int64s: ...
