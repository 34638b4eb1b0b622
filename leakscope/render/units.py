"""The only formatter of sizes, ages and counts."""

from __future__ import annotations

from datetime import datetime, timezone

UNKNOWN = "-"


def count(number: int | None) -> str:
    """``1234567`` -> ``1,234,567``."""
    return UNKNOWN if number is None else f"{number:,}"


def size(size_bytes: int | None) -> str:
    """Bytes in the largest binary unit that leaves a number of at least 1: ``1536`` -> ``1.5 KiB``."""
    if size_bytes is None:
        return UNKNOWN
    if abs(size_bytes) < 1024:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if abs(value) < 1023.95:  # what rounds to 1024.0 belongs to the next unit
            return f"{value:.1f} {unit}"
    return f"{value / 1024:,.1f} TiB"


def age(seconds: float | None) -> str:
    """Two units at most: ``8.2 s``, ``5m 03s``, ``2h 05m``, ``3d 04h``; ``-5m 03s`` for what lies behind."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0:
        return f"-{age(-seconds)}"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02}h"


def milliseconds(duration_ms: float | None) -> str:
    """``12.34`` -> ``12.3 ms``."""
    return UNKNOWN if duration_ms is None else f"{duration_ms:,.1f} ms"


def moment(epoch_seconds: float | None) -> str:
    """In UTC, to the second."""
    if epoch_seconds is None:
        return UNKNOWN
    return datetime.fromtimestamp(epoch_seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
