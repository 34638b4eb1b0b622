"""Families of references that are below 99 %, and why.

Patterns over the holder's ``module.QualName``. Most hold C structures whose layout leakscope does not know
(``kernels/blocks.py``): words there are read one by one, and each structure counts for one holder only.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.truth.compare import Report

_C_STATE = "C state of unknown layout; a structure that several objects share is shown with one of them"
_NOT_TRAVERSED = "holds a count that its tp_traverse does not visit"

EXPLAINED: dict[str, str] = {
    "module": _C_STATE,
    "PyCapsule": _C_STATE,
    "sqlite3.*": "members that show the module's exceptions without a count; statement caches are C lists",
    "os.stat_result": "fields beyond ob_size; a struct sequence does not say how many it has in its object",
    "time.struct_time": "fields beyond ob_size; a struct sequence does not say how many it has in its object",
    "StgDict": "ctypes' subclass of dict with C fields of its own",
    "_ctypes.*": "ctypes keeps its type data in C structures",
    "ctypes.*": "ctypes keeps its type data in C structures",
    "_ssl.*": _C_STATE,
    "ssl.*": _C_STATE,
    "_io.*": "hidden state of C code",
    "_thread._local": _NOT_TRAVERSED,
    "asyncio.events.*": "a subclass of _thread._local, which " + _NOT_TRAVERSED,
    "frame": "3.10 does not say how deep the stack of a running frame is: slots above it may be stale",
    "memoryview": "the view's own hold beside its buffer's, " + _NOT_TRAVERSED,
    "_queue.SimpleQueue": "3.13 keeps its items in a ring buffer of C",
    "itertools.*": "iterators keep C arrays",
    "hamt_bitmap_node": "its children are read as words, which count only where a count is to spare",
    "array.array": "C memory",
    "socket.socket": _C_STATE,
    "_pickle.*": "C tables of the pickler",
    "xml.etree.ElementTree.*": "children in a C array",
    "_decimal.*": _C_STATE,
    "greenlet.greenlet": "C++ state",
    "importlib.metadata.DistributionFinder.Context": "3.13 does not visit a dict that holds the inline values",
    "sqlalchemy.orm.context.*": "3.13 does not visit a dict that holds the inline values",
}


def unexplained(poor: set[str]) -> set[str]:
    """Those of the families that no pattern speaks of."""
    return {name for name in poor if not any(fnmatchcase(name, pattern) for pattern in EXPLAINED)}


def only_unknown_words(report: Report, name: str) -> bool:
    """Whether all that is wrong with a family are words of C structures that happen to be an object's address."""
    edges = [edge for holder, edge, _ in report.extras if holder == name]
    return not report.families[name].missed and all(edge.startswith("C_FIELD") for edge in edges)
