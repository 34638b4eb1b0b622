"""Images of memory that was copied while it changed, or worse."""

from __future__ import annotations

import dataclasses

import numpy as np

from leakscope.target.image import MemoryImage


def torn(image: MemoryImage, seed: int) -> MemoryImage:
    """The image with bits flipped, words moved, words invented, or pages lost."""
    random = np.random.default_rng(seed)
    buffer = image.buffer.copy()
    words = buffer.view(np.uint64)
    count = int(random.integers(1, 4_000))
    at = random.integers(0, len(words), count)
    if seed % 4 == 0:
        words[at] ^= np.uint64(1) << random.integers(0, 64, count).astype(np.uint64)
    elif seed % 4 == 1:
        words[at] = words[random.integers(0, len(words), count)]
    elif seed % 4 == 2:
        words[at] = random.integers(0, 1 << 63, count).astype(np.uint64)
    else:
        pages = buffer.reshape(-1, 4096)
        pages[random.integers(0, len(pages), max(1, count // 200))] = 0
    return dataclasses.replace(image, buffer=buffer)
