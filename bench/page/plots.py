"""Bars as SVG, by hand: a logarithmic scale, the value beside each bar, ours in another colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_OURS, _PEER, _WRONG, _INK, _GRID = "#1b6e4b", "#8a97a6", "#c0504d", "#1f2430", "#d9dde3"
_LEFT, _WIDTH, _BAR, _STEP, _TOP = 250, 560, 18, 26, 56


def bars(title: str, unit: str, rows: Sequence[tuple[str, float, bool]]) -> str:
    """An SVG document; ``rows`` are name, value, and whether the answer was wrong. Values of 0 are not drawn."""
    values = [value for _, value, _ in rows if value > 0]
    low = math.floor(math.log10(min(values))) if values else 0
    high = math.ceil(math.log10(max(values))) if values else 1
    high = max(high, low + 1)
    height = _TOP + _STEP * len(rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 120}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="24" font-size="16" fill="{_INK}">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        x = _LEFT + _WIDTH * (power - low) / (high - low)
        parts.append(f'<line x1="{x:.0f}" y1="{_TOP - 8}" x2="{x:.0f}" y2="{height - 28}" stroke="{_GRID}"/>')
        label = f"{10.0**power:g} {unit}"
        parts.append(f'<text x="{x:.0f}" y="{height - 12}" text-anchor="middle" fill="{_INK}">{escape(label)}</text>')
    for number, (name, value, wrong) in enumerate(rows):
        parts += _bar(number, name, value, wrong, (low, high), unit)
    return "\n".join([*parts, "</svg>", ""])


def _bar(number: int, name: str, value: float, wrong: bool, powers: tuple[int, int], unit: str) -> list[str]:
    low, high = powers
    y = _TOP + number * _STEP
    length = _WIDTH * max(0.0, math.log10(value) - low) / (high - low) if value > 0 else 0.0
    color = _OURS if name.startswith("leakscope") else _WRONG if wrong else _PEER
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    note = ", wrong answer" if wrong else ""
    return [
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end" fill="{_INK}">{escape(name)}</text>',
        f'<rect x="{_LEFT}" y="{y}" width="{max(length, 1.5):.1f}" height="{_BAR}" fill="{color}"/>',
        f'<text x="{_LEFT + length + 6:.0f}" y="{y + 14}" fill="{_INK}">{escape(f"{text} {unit}{note}")}</text>',
    ]
