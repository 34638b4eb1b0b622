"""A heap dump of a JVM, made here: load, chains of all sessions, all retained sizes; beside what others took for it.

python bench/runtimes_hprof.py DUMP      one reading, as JSON: what the comparison runs in a process of its own
"""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.comparison import Comparison

OTHERS = (
    ("Eclipse MAT 1.17, headless parse", "13.5-19.5 s", "1.3-2.4 GB"),
    ("VisualVM 2.1.5's library", "73.8 s", "5.35 GB"),
)
"""On a dump of as many objects, measured on such a machine while it was idle (RUNTIMES.md); they are not run here."""
MOST_S, MOST_BYTES, MOST_OFF = 5.0, 1_200_000_000, 0.005
_MADE_OF = ("Leak", "java.util.concurrent.ConcurrentHashMap", "[Ljava.util.concurrent.ConcurrentHashMap")
_BASKET_BYTES = 88
"""``byte[72]`` with its header."""
_HEADING = ("reader", "time", "peak memory", "retained by class Leak")


def hprof(sessions: int, rounds: int) -> Comparison:
    """Leakscope on a dump of so many sessions, the best of some rounds."""
    from tests.formats.java import Program

    with tempfile.TemporaryDirectory() as folder:
        with Program("Leak", ("-Xmx2g",), (str(sessions),)) as leak:
            dump, truth = leak.dump(Path(folder, "leak.hprof")), leak.histogram()
        read = [_in_a_process(dump) for _ in range(rounds)]
        size = dump.stat().st_size
    best = min(read, key=lambda each: float(each["all_s"]))
    peak = max(each["peak_bytes"] for each in read)
    expected = sum(size for name, (_, size) in truth.items() if name.startswith(_MADE_OF))
    expected += sessions * (_text_bytes(truth, sessions) + _BASKET_BYTES)
    off = abs(best["retained"] - expected) / expected
    own = (
        f"leakscope, load {best['load_s']:.1f} + sessions {best['sessions_s']:.1f} + chains and retained sizes "
        f"{best['chains_s']:.1f} s", f"{best['all_s']:.1f} s", f"{peak / 1e9:.2f} GB", f"{best['retained']:,}",
    )  # fmt: skip
    rows = [_HEADING, own, ("the JVM's histogram", "", "", f"{expected:,}"), *((*each, "") for each in OTHERS)]
    whole = best["objects"] >= 6_000_000
    targets = [(f"{best['sessions']:,} sessions found of {sessions:,}", best["sessions"] == sessions)]
    targets += [(f"retained sizes within {MOST_OFF:.1%}: {off:.3%}", off <= MOST_OFF)]
    targets += [(f"at most {MOST_S:.0f} s", best["all_s"] <= MOST_S)] * whole
    targets += [(f"at most {MOST_BYTES / 1e9:.1f} GB", peak <= MOST_BYTES)] * whole
    title = f"Heap dump of a JVM: {best['objects']:,} objects, {size / 1e6:.0f} MB, best of {rounds}"
    return Comparison(title, tuple(rows), tuple(targets))


def _text_bytes(truth: dict[str, tuple[int, int]], sessions: int) -> int:
    """A ``java.lang.String`` and its array: ``session-123456`` fits into 32 bytes."""
    count, size = truth["java.lang.String"]
    assert count > sessions
    return size // count + 32


def _in_a_process(dump: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, dump], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def one_reading(dump: Path) -> dict[str, Any]:
    """As the command line does it, times without the start of Python."""
    from leakscope.analysis.chains import cluster_chains
    from leakscope.analysis.index import HeapIndex
    from leakscope.analysis.sessions import session_nodes
    from leakscope.formats.dumps import HPROF, load_dump
    from leakscope.sessions.load import load_rules
    from leakscope.sessions.read import read_sessions

    began = time.perf_counter()
    graph, values = load_dump(dump, HPROF)
    loaded = time.perf_counter()
    sessions, _ = read_sessions(graph, values, load_rules())
    graph = dataclasses.replace(graph, sessions=sessions)
    del values
    asked = time.perf_counter()
    index = HeapIndex(graph)
    clusters = cluster_chains(index, session_nodes(graph))
    retained = index.retained
    ended = time.perf_counter()
    assert clusters
    return {
        "objects": graph.objects, "sessions": len(sessions.node), "load_s": loaded - began,
        "sessions_s": asked - loaded, "chains_s": ended - asked, "all_s": ended - began,
        "retained": int(retained[graph.types.node[graph.types.name.index("Leak")]]),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(one_reading(Path(sys.argv[1]))) + "\n")
