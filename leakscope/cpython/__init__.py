"""From the bytes of a CPython process to its object graph."""

from leakscope.cpython.reader import read_heap

__all__ = ["read_heap"]
