from leakscope.kernels._arrays import UInt64s

class Pager:
    lost: bool
    unreadable: int
    def __init__(self, faults: int, stop: int, pid: int, base: int, starts: UInt64s, lengths: UInt64s) -> None: ...
    def serve(self) -> None: ...
