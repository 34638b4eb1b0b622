"""The harness sees every kind of difference."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.catalogue.harness import Found, differences, mask

FOUND = Found(
    category="session",
    states=Counter(open=2),
    created=[100.0, 200.0],
    used=[float("nan"), 250.0],
    expires=[300.0, 400.0],
    masks=sorted([mask("a"), mask("b")]),
    healthy=1,
    classes=Counter({"library.Session": 2}),
)
TRUE = {"count": 2, "states": {"open": 2}, "created": [200.9, 99.1], "expires": [300, 400], "ids": ["b", "a"]}


def test_the_truth_has_no_difference() -> None:
    """Within a second, in whatever order."""
    assert list(differences("rule", {**TRUE, "healthy": 1}, FOUND)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 3},
        {"states": {"open": 1, "closed": 1}},
        {"created": [100.0, 201.1]},
        {"created": [100.0]},
        {"used": [250.0, 250.0]},
        {"expires": [300.0, 398.0]},
        {"ids": ["a", "c"]},
        {"healthy": 2},
        {"agd": 1},
    ],
    ids=str,
)
def test_one_untruth_is_one_difference(wrong: dict[str, Any]) -> None:
    """Each fact by itself."""
    assert len(list(differences("rule", {**TRUE, **wrong}, FOUND))) == 1
