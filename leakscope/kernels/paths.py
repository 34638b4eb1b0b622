"""What the references between a root and an object amount to, for many objects at once."""

import cython
import numpy as np


def ancestors(order, parent, members):
    """Those of ``order`` (int32 nodes, parents first) that are ``members`` or lie on their way to a root, in order."""
    wanted = np.zeros(len(parent), dtype=np.uint8)
    wanted[members] = 1
    mark: cython.uchar[::1] = wanted
    nodes: cython.int[::1] = order
    above: cython.int[::1] = parent
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(nodes.shape[0] - 1, -1, -1):
            if mark[nodes[i]] and above[nodes[i]] >= 0:
                mark[above[nodes[i]]] = 1
    return order[wanted[order] != 0]


def signatures(parent, step, folded):
    """Hashes of paths: ``(signature, keeper, up, depth)``, each by entry.

    Entry ``i`` is reached from entry ``parent[i] < i`` (int32, -1 for a root) by ``step[i]`` (uint64; for a root:
    what it is). ``folded`` entries (uint8) are no step of their own. ``signature`` (uint64) is a hash of all steps
    from the root where a run of up to four steps that is repeated at once counts once: of a linked list's members
    all have the same. ``keeper[i]`` (int32) is the entry with the shortest path of the same signature above ``i``,
    ``i`` itself where nothing repeats; ``up`` (int32) the entry one step nearer to the root, -1 for roots; ``depth``
    (int32) the number of steps.
    """
    count: cython.int = len(parent)
    signature = np.empty(count, dtype=np.uint64)
    keeper = np.empty(count, dtype=np.int32)
    up = np.empty(count, dtype=np.int32)
    depth = np.zeros(count, dtype=np.int32)
    if not count:
        return signature, keeper, up, depth
    hashes: cython.ulonglong[::1] = signature
    keepers: cython.int[::1] = keeper
    ups: cython.int[::1] = up
    depths: cython.int[::1] = depth
    parents: cython.int[::1] = parent
    steps: cython.ulonglong[::1] = step
    fold: cython.uchar[::1] = folded
    alias: cython.int[::1] = np.empty(count, dtype=np.int32)  # the last entry that is a step
    same: cython.int
    i: cython.int
    with cython.nogil:
        for i in range(count):
            alias[i] = i
            keepers[i] = i
            ups[i] = -1
            if parents[i] < 0:
                hashes[i] = mixed(0, steps[i])
                continue
            ups[i] = alias[parents[i]]
            if fold[i]:
                alias[i] = ups[i]
                keepers[i] = keepers[ups[i]]
                hashes[i] = hashes[ups[i]]
                depths[i] = depths[ups[i]]
                continue
            depths[i] = depths[ups[i]] + 1
            same = repeats(i, cython.address(ups[0]), cython.address(steps[0]))
            if same >= 0:
                keepers[i] = keepers[same]
                hashes[i] = hashes[same]
            else:
                hashes[i] = mixed(hashes[ups[i]], steps[i])
    return signature, keeper, up, depth


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def repeats(entry: cython.int, up: cython.p_int, step: cython.p_ulonglong) -> cython.int:
    """The entry a period above ``entry`` if the last period repeats the one before it, else -1."""
    period: cython.int
    _done: cython.int
    late: cython.int
    early: cython.int
    start: cython.int = entry
    for period in range(1, 5):
        start = up[start]
        if start < 0 or up[start] < 0:
            return -1
        late = entry
        early = start
        for _done in range(period):
            # A root is no step and never part of a repetition.
            if up[early] < 0 or step[late] != step[early]:
                break
            late = up[late]
            early = up[early]
        else:
            return start
    return -1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def mixed(before: cython.ulonglong, step: cython.ulonglong) -> cython.ulonglong:
    """One more step into the hash of a path (splitmix64's finalizer). Fingerprints depend on it: never change it."""
    x: cython.ulonglong = before * cython.cast(cython.ulonglong, 0x9E3779B97F4A7C15) + step
    x = (x ^ (x >> 30)) * cython.cast(cython.ulonglong, 0xBF58476D1CE4E5B9)
    x = (x ^ (x >> 27)) * cython.cast(cython.ulonglong, 0x94D049BB133111EB)
    return x ^ (x >> 31)
