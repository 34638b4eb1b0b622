"""The frames of suspended greenlets, which no thread runs and no frame of one leads to.

A greenlet's C++ part (greenlet 3: ``TGreenlet.hpp``) keeps the frame object of its innermost frame while it is
suspended, and only then. From there the frames are linked as a thread's are: in 3.10 as objects, later in stack
chunks of the greenlet's own. On 3.12+ greenlet takes the entry frames, which lay on the C stack, out of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.cpython.layouts import Layout
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.objects import Found, References
from leakscope.graph.kinds import Ref
from leakscope.kernels._arrays import UInt64s

_MOST_FRAMES = 1 << 16
"""Per greenlet; recursion ends long before."""
_STATE = 32
"""Where a greenlet points at its C++ part: behind head, weak references and dict."""
_STACK_BYTES = 40
GREENLET = "greenlet.greenlet"
GREENLET_FRAME = "frame"
"""What a greenlet's reference to a frame is called."""


@dataclass(frozen=True)
class SuspendedFrames:
    """Parallel columns, the outermost frames last."""

    greenlet: UInt64s
    """Address of the greenlet."""
    node: UInt64s
    """Address of what stands for the frame in the graph, as in ``RunningFrame.address``."""
    is_object: npt.NDArray[np.bool_]


def top_frame_offset(layout: Layout) -> int:
    """Virtual table, self, exc_info, the interpreter's _PyErr_StackItem, two arguments, stack, context; then it."""
    return 24 + layout.exc_item_sizeof + 16 + _STACK_BYTES + 8


def suspended_frames(heap: HeapMemory, greenlets: UInt64s) -> SuspendedFrames:
    """All frames of those of ``greenlets`` (addresses) that are suspended; reads each level of all of them at once."""
    layout, gather = heap.layout, heap.paged.gather
    state = gather(greenlets + np.uint64(_STATE))
    top = gather(state + np.uint64(top_frame_offset(layout)))
    there = (state != 0) & (top != 0)
    holder, frame = greenlets[there], top[there]
    if layout.frame_interp_frame < 0:
        return SuspendedFrames(holder, frame, np.ones(len(frame), bool))  # f_back leads to the others
    frame = gather(frame + np.uint64(layout.frame_interp_frame))
    levels: list[SuspendedFrames] = []
    while len(frame) and len(levels) < _MOST_FRAMES:
        holder, frame = holder[frame != 0], frame[frame != 0]
        levels.append(_level(heap, holder, frame))
        frame = gather(frame + np.uint64(layout.iframe_previous))
    return SuspendedFrames(
        np.concatenate([np.zeros(0, np.uint64), *(level.greenlet for level in levels)]),
        np.concatenate([np.zeros(0, np.uint64), *(level.node for level in levels)]),
        np.concatenate([np.zeros(0, bool), *(level.is_object for level in levels)]),
    )


def _level(heap: HeapMemory, holder: UInt64s, frame: UInt64s) -> SuspendedFrames:
    """One frame of each: lying in a stack chunk, in a generator, or in a frame object; others are left out."""
    layout = heap.layout
    word = layout.iframe_owner & ~7
    owner = heap.paged.gather(frame + np.uint64(word)) >> np.uint64(8 * (layout.iframe_owner - word)) & np.uint64(0xFF)
    inside = np.zeros(len(frame), np.uint64)
    inside[owner == layout.owner_generator] = layout.generator_iframe
    inside[owner == layout.owner_frame_object] = layout.frame_frame_data
    known = owner <= layout.owner_frame_object
    return SuspendedFrames(holder[known], (frame - inside)[known], (owner != layout.owner_thread)[known])


def with_suspended_frames(refs: References, found: Found, frames: SuspendedFrames, label: int) -> References:
    """``refs`` with one more reference per frame, from its greenlet; ``label`` is what names them."""
    holder, target = found.objects.lookup(frames.greenlet), found.objects.lookup(frames.node)
    both = (holder >= 0) & (target >= 0)
    order = np.argsort(holder[both], kind="stable")
    holder, target = holder[both][order], target[both][order]
    at = refs.first_ref[holder + 1]
    added = np.zeros(len(refs.first_ref), np.int64)
    np.add.at(added, holder + 1, 1)
    return References(
        refs.first_ref + np.cumsum(added),
        np.insert(refs.target, at, target),
        np.insert(refs.kind, at, np.full(len(at), Ref.INTERNAL, np.uint8)),
        np.insert(refs.label, at, np.full(len(at), label, np.int32)),
    )
