"""One object lost in each round among many live ones is found in four rounds; without it the service passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.commands import leakscope
from fixtures.gate_service import gate_arguments

LIVE = 100_000
QUICK = ("--rounds", 4, "--settle", "0s", "--retry-after", "200ms", "--json")


@pytest.mark.parametrize("lost", [1, 0])
def test_one_object_lost_per_round_among_a_hundred_thousand(lost: int, tmp_path: Path) -> None:
    done = leakscope(*gate_arguments(LIVE, tmp_path, lost), *QUICK)
    assert done.returncode == lost, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert min(row["objects"] for row in told["rounds"]) > 0.9 * LIVE
    assert [(leak["class"], leak["found"]) for leak in told["violations"]] == [("__main__.Receipt", 1)] * lost
    assert all(".receipts" in leak["message"] for leak in told["violations"])
