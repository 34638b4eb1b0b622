"""Memory images with flipped bits, wrong words and lost pages."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from random import Random

import numpy as np

from leakscope.target.image import MemoryImage
from tests.fuzz.examine import all_rules, ask_all, read_all, short_rules
from tests.fuzz.seeds import FOLDER, guarded, load_image

_EDGES = (
    0, 1, 7, 8, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 47) - 8, 1 << 47, 1 << 48,
    (1 << 62) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8, (1 << 64) - 4096,
)  # fmt: skip
_THOROUGH_EVERY = 16
_CUT_EVERY = 4
"""Images that end early, so that what is read too far is read where nothing may be read."""
_PAGE_WORDS = 512


@dataclass(frozen=True)
class Damage:
    """What to change of which image."""

    image: str
    words: dict[int, int]
    """New words by their number in the buffer."""
    lost: tuple[int, ...] = ()
    """Pages, by their number, that are not there."""
    thorough: bool = False
    """With all rules there are, and with the answers drawn."""


class Images:
    """Damages the seed images in place and repairs them, since that is quicker than a copy."""

    def __init__(self) -> None:
        self._seeds = {path.stem: load_image(path) for path in sorted(FOLDER.glob("image-*.npz"))}
        self._intact = {name: image.buffer.view(np.uint64).copy() for name, image in self._seeds.items()}
        self._pages = {name: image.pages.tolist() for name, image in self._seeds.items()}

    def make(self, dice: Random) -> Damage:
        name = dice.choice(list(self._seeds))
        intact = self._intact[name]
        pages = len(self._pages[name])
        end = dice.randrange(pages // 2, pages) if dice.randrange(_CUT_EVERY) == 0 else pages
        used = _few(dice, len(intact)) if end == pages else _of_last_page(dice, end)
        words = {}
        for _ in range(dice.choice((1, 1, 2, 4, 16, 128))):
            at = dice.choice(used)
            words[at] = self._word(dice, name, int(intact[at]))
        lost = [*range(end, pages), *(dice.randrange(pages) for _ in range(dice.choice((0, 0, 0, 1, 4))))]
        return Damage(name, words, tuple(sorted(set(lost))), dice.randrange(_THOROUGH_EVERY) == 0)

    def _word(self, dice: Random, name: str, word: int) -> int:
        way = dice.randrange(6)
        if way == 0:
            return word ^ 1 << dice.randrange(64)
        if way == 1:
            return dice.choice(_EDGES)
        if way == 2:
            return (word + dice.choice((-4096, -16, -8, -1, 1, 8, 16, 4096))) % (1 << 64)
        if way == 3:
            return dice.choice(self._pages[name]) + dice.choice((0, 1, 8, 16, 4080, 4088, 4095, dice.randrange(4096)))
        if way == 4:
            return int(self._intact[name][dice.randrange(len(self._intact[name]))])
        return dice.getrandbits(64)

    def run(self, made: Damage) -> None:
        image = self._seeds[made.image]
        words, intact = image.buffer.view(np.uint64), self._intact[made.image]
        at = np.fromiter(made.words, np.int64, len(made.words)) % len(words)
        words[at] = np.fromiter(made.words.values(), np.uint64, len(made.words))
        try:
            graph = read_all(_without(image, made.lost), all_rules() if made.thorough else short_rules())
        finally:
            words[at] = intact[at]
        ask_all(graph, made.thorough)

    def encode(self, made: Damage) -> bytes:
        return json.dumps(dataclasses.asdict(made)).encode()

    def decode(self, raw: bytes) -> Damage:
        said = json.loads(raw)
        words = {int(at): word for at, word in said["words"].items()}
        return Damage(said["image"], words, tuple(said["lost"]), said["thorough"])


def _few(dice: Random, words: int) -> list[int]:
    """Places that lie near each other, mostly: damage to one object, one pool, one page."""
    reach = dice.choice((8, 64, 512, words))
    first = dice.randrange(max(1, words - reach))
    return [dice.randrange(first, min(words, first + reach)) for _ in range(128)]


def _of_last_page(dice: Random, end: int) -> list[int]:
    return [(end - 1) * _PAGE_WORDS + dice.randrange(_PAGE_WORDS) for _ in range(128)]


def _without(image: MemoryImage, lost: tuple[int, ...]) -> MemoryImage:
    if not lost:
        return image
    kept = np.setdiff1d(np.arange(len(image.pages)), lost)
    content = guarded(image.buffer.reshape(len(image.pages), -1)[kept].reshape(-1))
    return dataclasses.replace(image, buffer=content, pages=image.pages[kept])
