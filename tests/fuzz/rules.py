"""Rule files: TOML that is none, rules that make no sense, and rules that do, asked of a heap."""

from __future__ import annotations

import re
from importlib import resources
from random import Random

from leakscope.cpython import read_heap
from leakscope.cpython.field_values import HeapValues
from leakscope.sessions.load import _asked_for as read_rules_file
from leakscope.sessions.load import arranged
from leakscope.sessions.read import read_sessions
from tests.fuzz.examine import OWN_RULE
from tests.fuzz.kinds import own_folder
from tests.fuzz.seeds import FOLDER, load_image
from tests.fuzz.snapshots import damaged

_TEXT = re.compile(r'"[^"\n]*"')
_HOSTILE = (
    '""', '"*"', '"[[[["', '"**.' + "*a" * 30 + '"', '"' + "a." * 500 + 'b"', '"' + "(" * 300 + '"', "9" * 400, "-0.0",
    "nan", "inf", "1979-05-27T07:32:00Z", "[" * 300 + "]" * 300, "{}", "true", '"\\u0000"', "1e308",
    '"' + " and ".join(["not state"] * 200) + '"', '"state == ' + "'x' or " * 100 + 'open"', '"' + "not " * 2000 + 'a"',
    '"@.x[0].y"', '"id[99999999999]"', '"seen[0]"', '"a.b.c.d"', '"len(seen) > 3"', '"1 / 0"', '"now - created_at > 5"',
)  # fmt: skip


class Rules:
    """The input is the file's content."""

    def __init__(self) -> None:
        image = load_image(FOLDER / "image-3.11.npz")
        self._graph = read_heap(image)
        self._values = HeapValues(image, self._graph)
        self._path = own_folder() / "rules.toml"
        folder = resources.files("leakscope.sessions").joinpath("catalogue")
        whole = "\n".join(file.read_text() for file in folder.iterdir() if file.name.endswith(".toml"))
        own = "\n" + "\n".join(f'{key} = "{said}"' for key, said in OWN_RULE.items()) + "\n"
        self._tables = [*whole.split("[[session]]")[1:], *[own] * 40]
        self._texts = sorted({*_TEXT.findall(whole), *_TEXT.findall(own)})

    def make(self, dice: Random) -> bytes:
        chosen = [dice.choice(self._tables) for _ in range(dice.choice((1, 1, 2, 5)))]
        text = "".join("[[session]]" + table for table in chosen)
        for _ in range(dice.choice((1, 1, 2, 4))):
            text = self._changed(dice, text)
        raw = text.encode("utf-8", "surrogatepass")
        return damaged(dice, raw) if raw and dice.randrange(4) == 0 else raw

    def _changed(self, dice: Random, text: str) -> str:
        places = list(_TEXT.finditer(text))
        way = dice.randrange(4)
        if way < 2 and places:
            place = dice.choice(places)
            new = dice.choice(self._texts if way else _HOSTILE)
            return text[: place.start()] + new + text[place.end() :]
        lines = text.splitlines(keepends=True) or [""]
        at = dice.randrange(len(lines))
        if way == 2:
            lines.insert(dice.randrange(len(lines)), lines[at])
        else:
            lines[at] = dice.choice(("", lines[at].replace("=", dice.choice((".", "= [", "= {"))), f"x = {lines[at]}"))
        return "".join(lines)

    def run(self, made: bytes) -> None:
        self._path.write_bytes(made)
        rules = arranged([read_rules_file(self._path)])
        for problem in rules.problems:
            assert problem.text and "\n" not in problem.text, problem
        read_sessions(self._graph, self._values, rules)

    def encode(self, made: bytes) -> bytes:
        return made

    def decode(self, raw: bytes) -> bytes:
        return raw
