from leakscope.kernels._arrays import Int64s, UInt8s, UInt64s

LATIN1: int
UTF16_LITTLE: int
UTF16_BIG: int

def mask_texts(data: UInt8s, begins: Int64s, lengths: Int64s, codings: UInt8s, masks: UInt64s) -> None: ...
