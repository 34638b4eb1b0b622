"""``HeapGraph``: a heap of any runtime as columns.

Objects are numbered 0..n-1 (by ascending address as captured). References are a
compressed sparse row matrix: those of object ``i`` are the positions
``first_ref[i]:first_ref[i + 1]`` of ``target``, ``kind`` and ``label``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Int8s = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Addresses = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Types:
    """One row per type, in no particular order; ``HeapGraph.type`` indexes these."""

    name: list[str]
    """``module.QualName``, ``builtins.`` left out."""
    node: Int32s
    """The type object's own node, -1 where it has none (frames, other runtimes)."""
    base: Int32s
    """Index of the type's ``__base__`` in this table, -1 for ``object``."""
    origin: Int8s
    """``Origin`` of the module that defines it."""


@dataclass(frozen=True)
class Frames:
    """One row per node that runs or could resume code: frames, generators, coroutines, functions, code objects."""

    node: Int32s
    """Ascending, unique."""
    function: Int32s
    """Index into ``names``: the qualified name of the function (the plain name on 3.10)."""
    file: Int32s
    """Index into ``names``."""
    line: Int32s
    """The line at which it stands (frames, suspended coroutines) or begins (functions, code); 0 unknown."""
    origin: Int8s


@dataclass(frozen=True)
class Roots:
    """One row per reason to live; an object may have several, rows of one kind lie together."""

    node: Int32s
    kind: Int8s
    """``Root``."""
    name: Int32s
    """Index into ``names``, -1 for none."""
    origin: Int8s


@dataclass(frozen=True)
class Labels:
    """Texts of the nodes that serve as dict keys or hold a name: parallel arrays."""

    node: Int32s
    """Ascending, unique."""
    name: Int32s
    """Index into ``names``: the text to show, masked (``#1a2b3c4d5e6f``) unless it is a name or was revealed."""


@dataclass(frozen=True)
class Sessions:
    """One row per session that a rule named when the heap was read. Times are epoch seconds; NaN: unknown."""

    node: Int32s
    """Ascending, unique."""
    rule: Int32s
    """Index into ``names``: the rule that claims it."""
    id: Addresses
    """BLAKE2b mask (48 bits, as those of keys in ``labels``) of its id; all ones: unknown."""
    id_name: Int32s
    """Index into ``names``: the id itself, where the user asked to reveal it; -1 otherwise."""
    created: Floats
    created_from: Int32s
    """Index into ``names``: the field that says when it was created; -1: none does."""
    used: Floats
    """Last use."""
    expires: Floats
    """When its time is over by its own fields, time to live included."""
    ttl: Floats
    """Its time to live in seconds."""
    state: Int32s
    """Index into ``names``: ``open``, ``closed``, ``closing`` or the library's own word; -1: unknown."""
    facts: Int32s
    """``Fact`` bits."""


@dataclass(frozen=True)
class Bounds:
    """Containers that limit their own length, or whose owner says a limit: parallel arrays."""

    node: Int32s
    """Ascending, unique: the container (deque, lru_cache) or the object with the attribute (``maxsize``)."""
    limit: Int64s
    """The most entries it takes."""


@dataclass(frozen=True)
class HeapGraph:
    """A whole heap. Immutable by agreement: nobody writes into the arrays."""

    address: Addresses
    type: Int32s
    own_size: Int64s
    """Bytes, as ``sys.getsizeof`` counts for CPython."""
    flags: Int8s
    """``Node`` bits."""
    first_ref: Int64s
    """Length n + 1."""
    target: Int32s
    kind: Int8s
    """``Ref``."""
    label: Int32s
    types: Types
    names: list[str]
    """Every string that the tables above refer to, unique. Hostile text: escape before showing."""
    labels: Labels
    frames: Frames
    roots: Roots
    sessions: Sessions | None = None
    """None where the heap was read without rules: then only names of classes say what a session is."""
    bounds: Bounds | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """Capture facts, JSON values only: pid, runtime, version, captured_at, started_at, strategy, pause_ms,
    copied_bytes, elapsed_s, hostname-free; ``warnings`` is a list of lines. Of CPython also ``monotonic_at``
    and ``boottime_at`` (the target's clocks at captured_at), ``utc_offset_s`` (of its local time); null: unknown."""

    @property
    def objects(self) -> int:
        """How many nodes."""
        return len(self.address)

    @property
    def references(self) -> int:
        """How many edges, weak ones included."""
        return len(self.target)
