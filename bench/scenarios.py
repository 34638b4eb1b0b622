"""What the mechanisms of the four systems are worth: both sides of each comparison in one run, as ratios.

    python bench/scenarios.py [destruction] [stores] [writes] [--quick]

* destruction: sessions of autoglm destroyed by polling and by event, under the same load at the same time;
* stores: one of two instances of dify_cluster is killed and started again. With a store of its own it has forgotten
  its sessions; with the shared one its clients go on at the other;
* writes: the same uses over the same connections, once with each waiting until Redis has its write, and once with
  writes queued; then SIGTERM, after which the other instance must know every payload.

The write-ups' numbers stand beside ours; theirs are of other machines and other loads. Needs redis-server (Debian's
package). Exit code 1 if a target is not reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from comparison import Comparison
from scenarios_cluster import stores, writes
from scenarios_destruction import destruction

COMPARISONS: dict[str, tuple[Callable[[], Comparison], Callable[[], Comparison]]] = {
    "destruction": (lambda: destruction(poll_every_s=16.0), lambda: destruction(poll_every_s=4.0)),
    "stores": (lambda: stores(sessions=500, rounds=5), lambda: stores(sessions=100, rounds=1)),
    "writes": (lambda: writes(requests=9600, rounds=7), lambda: writes(requests=3200, rounds=3)),
}
"""In full, and a quick one."""


def main() -> int:
    """0 if every comparison reaches its targets."""
    parser = argparse.ArgumentParser(description="Ratios of the mechanisms of the four systems.")
    parser.add_argument("comparison", nargs="*", help=f"of {', '.join(COMPARISONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a small run, for a look")
    options = parser.parse_args()
    if unknown := [name for name in options.comparison if name not in COMPARISONS]:
        parser.error(f"no comparison {unknown[0]!r}; there are: {', '.join(COMPARISONS)}")
    reached = [_told(COMPARISONS[name][options.quick]()) for name in options.comparison or COMPARISONS]
    return 0 if all(reached) else 1


def _told(comparison: Comparison) -> bool:
    sys.stdout.write(comparison.text())
    sys.stdout.flush()
    return comparison.reached


if __name__ == "__main__":
    sys.exit(main())
