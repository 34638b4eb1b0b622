"""``make bench``: leakscope and its peers on the same services in one run, as a page with plots.

    python -m bench.page [--n 1000000] [--reps 3] [--out build/bench] [--no-peers] [--no-sessions]

Writes ``README.md`` and SVG files to the folder. PyHeap takes part if $PYHEAP names its source tree. Without --n the
services have one and five million objects, another one holds a million sessions (eleven million objects), and where
16 GB are available one has fifty million.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.page.machine import described
from bench.page.measure import Section, huge_section, measure, sessions_section
from bench.page.write import write_page
from leakscope.target.memory import available_bytes

SIZES = (1_000_000, 5_000_000)
HUGE = 50_000_000
HUGE_BYTES = 16 << 30
"""What must be available for it: the service takes 5 GB, leakscope the rest."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--n", type=int, help="only this many objects; quick with 1000000")
    parser.add_argument("--reps", type=int, default=3, help="fresh targets for each row; medians are shown")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder of the page")
    parser.add_argument("--no-peers", action="store_true", help="leakscope alone")
    parser.add_argument("--no-sessions", action="store_true", help="leave out what is larger than five million")
    options = parser.parse_args()
    machine = described()
    sections: list[Section] = []
    for size in (options.n,) if options.n else SIZES:
        sections.append(measure(size, options.reps, not options.no_peers, say))
        write_page(options.out, machine, sections)  # what is there, should the next size not end well
    if not (options.n or options.no_sessions):
        sections.append(sessions_section(options.reps, say))
        write_page(options.out, machine, sections)
        if available_bytes() > HUGE_BYTES:
            sections.append(huge_section(HUGE, say))
    page = write_page(options.out, machine, sections)
    say("")
    sys.stdout.write(page.read_text())
    say(f"Written to {page}")


def say(text: str) -> None:
    """What is being done, for who waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
