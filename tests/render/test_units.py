"""Sizes and ages at the places where the unit changes."""

from __future__ import annotations

import pytest

from leakscope.render import units
from leakscope.render.escape import escaped


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (int(1.5 * 1024**3), "1.5 GiB"),
        (5000 * 1024**4, "5,000.0 TiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_size(size_bytes: int | None, shown: str) -> None:
    assert units.size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1m 00s"),
        (3599.6, "1h 00m"),
        (7503, "2h 05m"),
        (86400, "1d 00h"),
        (273600, "3d 04h"),
    ],
)
def test_age(seconds: float | None, shown: str) -> None:
    assert units.age(seconds) == shown


def test_moment_is_in_utc() -> None:
    assert units.moment(0) == "1970-01-01 00:00:00 UTC"
    assert units.moment(None) == "-"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.Name", "plain.Name"),
        ("a\x00b\x7f\x85", r"a\x00b\x7f\x85"),
        ("\u200b\u2028\u2066\ufeff", r"\u200b\u2028\u2066\ufeff"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("Zürich 東京 é", "Zürich 東京 é"),
        ("[red]", "[red]"),
    ],
)
def test_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
