"""Which of two candidates that overlap is the object: kernels/outermost.py on memory that is made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from leakscope.kernels.memory import Memory
from leakscope.kernels.outermost import keep_outermost

PAGE = 0x7F0000000000
TUPLE, LIST, NUMBER, BYTES = range(4)
BASIC, ITEM, RULE, HEAD = [24, 40, 24, 33], [8, 0, 0, 1], [1, 0, 0, 1], [16, 16, 0, 0]
AT = 0x100
"""Where the tuple is; it reaches to ``END`` by its ``ob_size``."""
END = AT + 24 + 100 * 8


class Bytes:
    """One page, and the candidates in it."""

    def __init__(self) -> None:
        self.words = np.zeros(512, np.uint64)
        self.candidates: list[tuple[int, int]] = []

    def add(self, at: int, row: int, count: int = 1) -> None:
        self.words[at // 8] = count
        self.candidates.append((at, row))

    def link(self, *places: int) -> None:
        """A list of the collector's, of the objects at these places."""
        for before, after in zip(places, [*places[1:], places[0]], strict=True):
            self.words[before // 8 - 2] = PAGE + after - 16
            self.words[after // 8 - 1] = PAGE + before - 16

    def kept(self) -> list[int]:
        places, rows = (np.array(column) for column in zip(*sorted(self.candidates), strict=True))
        offsets, rows = places.astype(np.int64), rows.astype(np.int32)
        pages = np.array([PAGE], np.uint64)
        count, _ = keep_outermost(
            Memory(self.words.view(np.uint8), pages), pages, offsets, rows,
            np.array(BASIC), np.array(ITEM), np.array(RULE, np.uint8), np.array(HEAD, np.uint8),
            np.zeros(1, np.uint8), 0,
        )  # fmt: skip
        return offsets[:count].tolist()


@pytest.fixture
def memory() -> Bytes:
    made = Bytes()
    made.add(AT, TUPLE)
    made.words[AT // 8 + 2] = 100
    made.words[AT // 8 + 3 : END // 8] = PAGE  # items are addresses
    return made


def test_a_pair_of_words_at_the_beginning_of_a_tuple_is_no_object(memory: Bytes) -> None:
    memory.candidates.append((AT + 16, NUMBER))  # ob_size and the first item
    assert memory.kept() == [AT]


def test_what_the_collector_is_sure_of_was_not_there_before(memory: Bytes) -> None:
    """The tuple is what memory still shows of the time before the lists and the number."""
    memory.add(AT + 32, NUMBER, PAGE)
    memory.add(AT + 0x80, LIST)
    memory.add(AT + 0x100, LIST)
    memory.link(AT + 0x80, AT + 0x100)
    assert memory.kept() == [AT + 32, AT + 0x80, AT + 0x100]


def test_links_that_only_begin_right_are_not_sure(memory: Bytes) -> None:
    memory.candidates.append((AT + 0x80, LIST))
    memory.words[(AT + 0x80) // 8 - 2] = PAGE + 0xF00
    assert memory.kept() == [AT]


def test_a_count_is_no_item(memory: Bytes) -> None:
    """Numbers are in no list, but where a tuple has items no count can be."""
    memory.add(AT + 0x80, NUMBER, 3)
    assert memory.kept() == [AT + 0x80]


def test_a_tuple_that_is_sure_itself_stays(memory: Bytes) -> None:
    memory.add(AT + 0x80, NUMBER, 3)
    memory.add(END + 0x40, LIST)
    memory.link(AT, END + 0x40)
    assert memory.kept() == [AT, END + 0x40]


def test_behind_its_end_nothing_speaks_against_it(memory: Bytes) -> None:
    memory.add(END + 0x40, LIST)
    memory.add(END + 0x80, LIST)
    memory.link(END + 0x40, END + 0x80)
    assert memory.kept() == [AT, END + 0x40, END + 0x80]


@pytest.mark.parametrize(("behind", "kept"), [(16, [END + 0x50]), (32, [END + 0x40])])
def test_bytes_whose_hash_is_a_class_are_the_slack_before_an_object(behind: int, kept: list[int]) -> None:
    """The last letter of a text and a word of what was there before: they reach over the next block's object."""
    memory = Bytes()
    memory.add(END + 0x40, BYTES, ord("e"))
    memory.words[(END + 0x40) // 8 + 2] = 10  # what would be its length
    memory.add(END + 0x40 + behind, NUMBER, 10)
    assert memory.kept() == kept
