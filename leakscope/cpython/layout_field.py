"""A field of a layout: one number per CPython version."""

from __future__ import annotations

from dataclasses import field
from typing import cast

MACHINE = "x86-64"
"""The processor whose numbers these are."""
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
"""The order of ``by_version``'s arguments."""


def by_version(*values: int) -> int:
    """A dataclass field without default that carries its value for each of ``VERSIONS``, -1 for absent."""
    return cast(int, field(metadata={"by_version": values}))
