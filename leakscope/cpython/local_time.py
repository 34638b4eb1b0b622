"""Whether the process still lives in the zone that it began in: Django, for one, sets another.

``time.tzset`` leaves the offsets of winter and summer in the module ``time``; they are compared with what the
environment said when the process began.
"""

from __future__ import annotations

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.roots import Module
from leakscope.cpython.threads import read_int
from leakscope.target.image import CaptureFacts

_OFFSETS = ("timezone", "altzone")


def utc_offset(heap: HeapMemory, modules: list[Module], told: CaptureFacts) -> float | None:
    """Seconds east of UTC of local time at the capture, None where it cannot be known.

    That of the environment if the zone is the same; else that of the module ``time`` if it knows only one.
    """
    namespace = next((module.namespace for module in modules if module.name == "time"), 0)
    found = {heap.text(key, 16): value for key, value in heap.dict_items(namespace)} if namespace else {}
    west = [read_int(heap, found[name]) if name in found else None for name in _OFFSETS]
    east = {-seconds for seconds in west if seconds is not None}
    if not east or (told.seasons_s is not None and east == set(told.seasons_s)):
        return told.utc_offset_s
    return float(east.pop()) if len(east) == 1 else None
