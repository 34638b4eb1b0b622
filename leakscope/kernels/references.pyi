from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.layout import Layout
from leakscope.kernels.memory import Objects

class ReferenceReader:
    def __init__(
        self,
        objects: Objects,
        layout: Layout,
        offsets: Int64s,
        rows: Int32s,
        pages: UInt64s,
        types: Int64s,
        word_label: Int32s,
        word_kind: UInt8s,
        frame_label: Int32s,
        states: UInt64s,
    ) -> None: ...
    def read(self, start: int, stop: int) -> tuple[Int32s, Int32s, UInt8s, Int32s]: ...
