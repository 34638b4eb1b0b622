from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.layout import Layout
from leakscope.kernels.memory import Objects

def name_closures(
    objects: Objects,
    layout: Layout,
    functions: UInt64s,
    first_ref: Int64s,
    target: Int32s,
    kind: UInt8s,
    label: Int32s,
) -> None: ...
