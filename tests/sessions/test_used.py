"""What a snapshot keeps of its rules, and what is believed of rows from another hand."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.sessions.rules import Rule
from leakscope.sessions.used import as_facts, rules_in

RULE = Rule(
    "order", "Orders", "shop.toml", ("shop.Order",), category="request", part_of=("shop.Cart",), remedy="Pay.", link="x"
)


def test_what_explains_a_session_travels_with_it() -> None:
    (row,) = as_facts([RULE])
    known = rules_in({"rules": [row]})["order"]
    assert (known.name, known.category, known.part_of, known.remedy, known.link) == (
        "order", "request", ("shop.Cart",), "Pay.", "x"
    )  # fmt: skip
    assert "shop.toml" not in str(row)


@pytest.mark.parametrize(
    "rules",
    [
        None, 7, {}, "x", [None], [[]], [{"name": "order"}],
        [{**as_facts([RULE])[0], "name": 1}],
        [{**as_facts([RULE])[0], "part_of": "shop.Cart"}],
        [{**as_facts([RULE])[0], "part_of": [1]}],
        [{**as_facts([RULE])[0], "remedy": None}],
    ],
)  # fmt: skip
def test_rows_of_another_shape_are_left_out(rules: Any) -> None:
    assert rules_in({"rules": rules}) == {}
    assert rules_in({"rules": [*as_facts([RULE]), *(rules if isinstance(rules, list) else [])]}).keys() == {"order"}
