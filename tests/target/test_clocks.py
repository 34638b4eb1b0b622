"""The clocks of a live process as its own Python shows them: monotonic, boot, start, and local time."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from leakscope.target import clocks
from leakscope.target.attach import capture
from leakscope.target.clocks import now, read_clocks

from .support import ANY, PROGRAMS, Target, running

TOKYO = "/usr/share/zoneinfo/Asia/Tokyo"
ZONES = [
    None,
    "",
    "UTC",
    "America/New_York",
    ":Asia/Kolkata",
    TOKYO,
    "EST5EDT,M3.2.0,M11.1.0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+0330>-3:30",
    "XYZ5",
    "no/such/zone",
    "../../../etc/passwd",
    "Europe",
    "\udcff",
]


@pytest.mark.parametrize("pause", ["copy", "none"])
def test_the_capture_is_between_two_questions(pause: str) -> None:
    """On every clock."""
    with running(ANY, "clocks.py") as target:
        before = target.ask()
        facts = asdict(capture(target.pid, pause=pause).facts)
        after = target.ask()
    for ours, theirs in {"captured_at": "epoch", "monotonic_at": "monotonic", "boottime_at": "boottime"}.items():
        assert before[theirs] <= facts[ours] <= after[theirs], ours


def test_the_start_is_known_to_two_ticks() -> None:
    """Not to the whole second that the kernel's boot time is cut to; several, so that luck does not decide."""
    for _ in range(5):
        earliest = time.time()
        with subprocess.Popen([ANY, PROGRAMS / "clocks.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            latest = time.time()
            assert process.stdout is not None
            process.stdout.readline()
            assert earliest - 0.02 <= capture(process.pid).facts.started_at <= latest + 0.02
        time.sleep(0.17)


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_the_process(zone: str | None) -> None:
    """Named, by path, by rule, and what the C library takes for UTC; the name itself is kept nowhere."""
    environment = {name: value for name, value in os.environ.items() if name != "TZ"}
    if zone is not None:
        environment["TZ"] = zone
    with running(ANY, "clocks.py", env=environment) as target:
        image = capture(target.pid)
        assert image.facts.utc_offset_s == target.info["utc_offset_s"]
    assert not zone or zone == "UTC" or zone not in repr(image.facts)


def test_a_time_namespace_has_its_own_clocks() -> None:
    """A container may begin its clocks anew; where the kernel refuses to make one, there is nothing to add."""
    unshare = shutil.which("unshare")
    assert unshare is not None
    inside = [unshare, "--time", "--fork", "--monotonic", "5000", "--boottime", "100000"]
    allowed = subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0
    target = Target([*(inside if allowed else []), str(ANY), str(PROGRAMS / "clocks.py")])
    try:
        before = target.ask()
        found = read_clocks(before["pid"], now())
        after = target.ask()
        assert before["monotonic"] <= (found.monotonic_at or 0) <= after["monotonic"]
        assert before["boottime"] <= (found.boottime_at or 0) <= after["boottime"]
        if allowed:  # unshare itself stays outside, and its children's clocks are not its own
            outside = read_clocks(target.pid, moment := now())
            assert outside.monotonic_at in (moment.monotonic, None)
    finally:
        target.end()


def test_a_process_that_is_gone_has_no_clocks() -> None:
    """None, not the clocks of leakscope."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    found = read_clocks(process.pid, now())
    assert (found.monotonic_at, found.boottime_at, found.utc_offset_s) == (None, None, None)


def test_links_are_followed_inside_the_root_of_the_process(tmp_path: Path) -> None:
    """``/etc/localtime`` of a container points at the container's zones, and nothing leads out or blocks."""
    (tmp_path / "zones").mkdir()
    (tmp_path / "etc").mkdir()
    shutil.copy(TOKYO, tmp_path / "zones" / "here")
    local = tmp_path / "etc" / "localtime"
    for link in ("/zones/here", "../zones/here", "../../../../../zones/here"):
        local.symlink_to(link)
        assert _hours(tmp_path) == 9
        local.unlink()
    (tmp_path / "zones" / "outside").symlink_to("../" * 30 + TOKYO[1:])
    local.symlink_to("/zones/outside")
    assert _hours(tmp_path) == 0
    local.unlink()
    os.mkfifo(local)
    assert _hours(tmp_path) == 0
    local.unlink()
    local.symlink_to("localtime")
    with pytest.raises(OSError, match="circle"):
        _hours(tmp_path)


@pytest.mark.parametrize("data", [b"", b"TZif", b"TZif2" + b"\xff" * 60, b"\0" * 100, b"TZif2" + bytes(39) * 2])
def test_a_damaged_zone_file_is_none(tmp_path: Path, data: bytes) -> None:
    """The C library takes it for UTC."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "localtime").write_bytes(data)
    assert _hours(tmp_path) == 0


def _hours(root: Path) -> float:
    """East of UTC, by ``/etc/localtime`` below ``root``."""
    zone = clocks._zone(root, None)
    offset = clocks.datetime.fromtimestamp(0, clocks.timezone.utc).astimezone(zone).utcoffset()
    assert offset is not None
    return offset.total_seconds() / 3600
