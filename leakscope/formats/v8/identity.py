"""Whose heap it is: a snapshot names no process and no time, but V8 gives each object an id that it keeps for life.

The ids of V8's own objects are odd and only grow, so the newest one orders the snapshots of a process; and what has one
id in two of them is one object. Even ones are hashes of addresses outside of V8's heap.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.tables import Raw
from leakscope.graph.heap import Addresses, Int32s

_PER_OCTAVE = 64
"""Ids that are noted of those between 2^n and 2^(n+1): a snapshot that has many more, younger ones notes the same."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_TEXTS = ("string", "concatenated string", "sliced string", "number", "symbol", "bigint")
"""Types whose names are the program's data: only their length is noted."""


def identity_facts(raw: Raw, meta: Meta, order: Int32s, ids: Addresses) -> dict[str, object]:
    """``newest_id``, and ``identities``: what some of the nodes in ``order`` (by id) are, as hashes by id.

    ``ids``: theirs, ascending.
    """
    is_own = ids & np.uint64(1) != 0
    own, ids = order[is_own], ids[is_own]
    texts = {at for at, name in enumerate(meta.node_types) if name in _TEXTS}
    identities = {}
    sampled = _sampled(ids)
    for node, id in zip(own[sampled].tolist(), ids[sampled].tolist(), strict=True):
        kind, name = int(raw.node_type[node]), int(raw.node_name[node])
        length = int(raw.texts.end[name] - raw.texts.begin[name])
        said = f"{kind} {length if kind in texts else raw.texts.text(name)}"
        identities[str(id)] = blake2b(said.encode(), digest_size=3).hexdigest()
    return {"newest_id": int(ids[-1]) if len(ids) else 0, "identities": identities}


def _sampled(ids: Addresses) -> Int32s:
    """Places in ``ids`` (ascending): in each octave those whose ids, spread by a hash, come first."""
    edges = np.searchsorted(ids, np.uint64(1) << np.arange(63, dtype=np.uint64)).tolist()
    parts = []
    for low, high in zip(edges, [*edges[1:], len(ids)], strict=True):
        if low == high:
            continue
        spread = ids[low:high] * _SPREAD
        parts.append(low + np.argpartition(spread, min(_PER_OCTAVE, len(spread) - 1))[:_PER_OCTAVE])
    return np.concatenate(parts).astype(np.int32)
