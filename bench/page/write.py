"""The page itself: Markdown and plots in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.commands import table
from bench.page.measure import Section
from bench.page.plots import bars
from bench.page.ratios import END_TO_END, Ratio, total
from bench.page.rows import Row
from bench.page.scale import scale_lines, scale_ratios

_HEADINGS = (
    "tool", "service stalls ms", "process stands ms", "wall s", "CPU s: tool / target", "peak MB: tool / target",
    "left in target MB", "output MB", "answer", "right",
)  # fmt: skip
_WHAT = """\
- *service stalls*: the largest gap of a heartbeat in the event loop of the service's main thread; *process stands*: the
  largest gap of a heartbeat thread. A millisecond or so of either is the heartbeat itself, a few are the machine.
- *peak of target*: its resident memory at its highest, less that before; *left*: the same afterwards. Tools that run
  inside were imported before they were measured.
- *right*: compared with what the service itself knows; sizes within a tenth. What goes with the dict of sessions was
  found out by emptying the dict in a child of the service and counting what was freed. guppy3 and asizeof make a
  `__dict__` for each instance that has none yet (CPython 3.11 and later), and count these.
- Each row is the median of the repeats, with a fresh service for each."""


def write_page(folder: Path, machine: Sequence[str], sections: Sequence[Section]) -> Path:
    """Writes ``README.md`` and what it shows to ``folder``; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# leakscope and other heap tools, measured in one run", "", *machine, "", _WHAT, ""]
    for number, section in enumerate(sections, start=1):
        lines += [f"## {section.title}", "", *section.notes, ""]
        lines += [*table(_HEADINGS, [cells(row, section) for row in section.rows]), ""]
        for name, plot in plots(section).items():
            file = folder / f"{number}-{name}.svg"
            file.write_text(plot)
            lines += [f"![{name}]({file.name})", ""]
        lines += [*ratio_lines(section.ratios), ""]
    lines += [*scale_lines(sections), "", *ratio_lines(scale_ratios(sections))]
    page = folder / "README.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page


def cells(row: Row, section: Section) -> list[str]:
    """One line; what was not measured is empty, what could not be is told in place of an answer."""
    asked = f" ({section.asked[row.tool]})" if row.tool in section.asked else ""
    if row.problem:
        return [row.tool + asked, *[""] * 7, row.problem, ""]
    right = {True: "yes", False: "**no**", None: ""}[row.right]
    return [
        row.tool + asked, _number(row.gap_main_ms), _number(row.gap_any_ms), _number(row.wall_s),
        _pair(row.tool_cpu_s, row.target_cpu_s), _pair(_mb(row.tool_peak), _mb(row.target_peak)),
        _number(_mb(row.target_left)), _number(_mb(row.output)), row.answer, right,
    ]  # fmt: skip


def plots(section: Section) -> dict[str, str]:
    """SVG by name, of what there are figures for."""
    rows = [row for row in section.rows if not row.problem]
    stalls = [(row.tool, row.gap_main_ms, row.right is False) for row in rows if row.gap_main_ms]
    times = [(row.tool, row.wall_s, row.right is False) for row in rows if row.wall_s]
    memory = [(row.tool, (row.target_peak or 0) / 1e6, row.right is False) for row in rows if row.target_peak]
    by_name = section.by_name()
    own, theirs = total(by_name, END_TO_END), total(by_name, ("PyHeap dump", "PyHeap analysis"))
    if own and theirs:
        wrong = by_name["PyHeap analysis"].right is False
        times += [("leakscope end to end", own, False), ("PyHeap end to end", theirs, wrong)]
    found = {
        "stall": ("How long the service does not answer", "ms", stalls),
        "wall": ("From the command to the answer", "s", times),
        "memory": ("Memory that the target grows by meanwhile", "MB", memory),
    }
    return {name: bars(title, unit, _ordered(rows)) for name, (title, unit, rows) in found.items() if rows}


def _ordered(rows: Sequence[tuple[str, float, bool]]) -> list[tuple[str, float, bool]]:
    return sorted(rows, key=lambda row: row[1])


def ratio_lines(ratios: Sequence[Ratio]) -> list[str]:
    """What was promised, and what came of it."""
    if not ratios:
        return []
    rows = [
        [
            ratio.name, ratio.ours, ratio.theirs, f"{ratio.value:.2f}" if ratio.value < 10 else f"{ratio.value:,.0f}",
            f"at {'most' if ratio.at_most else 'least'} {ratio.goal:g}", "yes" if ratio.reached else "**no**",
        ]
        for ratio in ratios
    ]  # fmt: skip
    return table(("ratio", "leakscope", "other", "value", "goal", "reached"), rows)


def _mb(size: int | None) -> float | None:
    return None if size is None else size / 1e6


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _pair(one: float | None, other: float | None) -> str:
    return f"{_number(one) or '-'} / {_number(other) or '-'}"
