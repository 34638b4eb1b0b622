"""PyHeap's loader, index of referrers and retained sizes, as its viewer runs them: ``pyheap_analyze.py DUMP ADDRESS``.

Runs in the peers' environment with PyHeap's ``pyheap-ui/src`` on the path; says in a line of JSON what the object at
ADDRESS retains.
"""

import json
import mmap
import sys

from pyheap_ui.heap import InboundReferences, provide_retained_heap_with_caching
from pyheap_ui.heap_reader import HeapReader

path, address = sys.argv[1], int(sys.argv[2])
with open(path, "rb") as dump:  # noqa: PTH123 - its reader wants an mmap of the file
    heap = HeapReader(mmap.mmap(dump.fileno(), length=0, access=mmap.ACCESS_READ)).read()
retained = provide_retained_heap_with_caching(path, heap, InboundReferences(heap.objects))
sys.stdout.write(json.dumps({"retained": retained.get_for_object(address)}) + "\n")
