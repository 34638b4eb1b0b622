"""Heap snapshots of V8 (Node, Chrome): ``.heapsnapshot``, JSON with two tables of numbers and one of texts.

The format is that of v8/src/profiler/heap-snapshot-generator.cc; what its columns are, each file says itself.
"""
