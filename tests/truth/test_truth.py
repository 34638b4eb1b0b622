"""The reader against the truth from inside, for each interpreter and target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leakscope.cpython.reader import read_heap
from leakscope.graph.kinds import Node
from leakscope.target.attach import capture
from tests import interpreters
from tests.interpreters import Interpreter, one_per_version
from tests.truth.compare import Report
from tests.truth.driver import running
from tests.truth.explained import only_unknown_words, unexplained
from tests.truth.table import FAMILY_GOAL, lines_of

GOAL = 0.999
ROWS = 8
TARGETS = ("zoo", "webapp", "flaskapp")
PAIRS = {f"{target}-{one.name}": (target, one) for target in TARGETS for one in one_per_version()}

each_interpreter = pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
each_report = pytest.mark.parametrize("report", PAIRS.values(), ids=PAIRS, indirect=True, scope="module")


@each_report
def test_every_tracked_object_is_found(
    report: Report, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    """All of them, each with its full type name."""
    record_property(f"truth: {request.node.callspec.id}", "\n".join(lines_of(report, ROWS)))
    assert report.tracked > 10_000
    assert not report.missing_tracked
    assert not report.wrong_types


@each_report
def test_untracked_objects_are_found_too(report: Report) -> None:
    """Texts, numbers, untracked tuples and dicts."""
    assert sum(report.missing_untracked.values()) <= (1 - GOAL) * report.objects


@each_report
def test_sizes_of_builtins_and_instances_are_equal(report: Report) -> None:
    """``sys.getsizeof`` and the graph agree to the byte."""
    assert not report.wrong_builtin_sizes


@each_report
def test_references_are_recalled_and_precise(report: Report) -> None:
    """Overall 99.9 % both ways."""
    overall = report.overall
    assert overall.true > 100_000
    assert overall.recall >= GOAL
    assert overall.precision >= GOAL


@each_report
def test_each_poor_family_is_explained(report: Report) -> None:
    """No type's references are read poorly without a reason on record."""
    poor = {
        name
        for name, family in report.families.items()
        if min(family.recall, family.precision) < FAMILY_GOAL and not only_unknown_words(report, name)
    }
    assert not unexplained(poor)


@each_report
def test_frames_and_locals_are_equal(report: Report) -> None:
    """Thread, function, file, current line, local names and what they refer to."""
    frames = report.frames
    assert frames.true > 5
    assert frames.locals > 10
    assert not frames.problems


@each_report
def test_what_lives_is_not_called_garbage(report: Report) -> None:
    """Nothing is garbage just after a collection."""
    assert sum(report.garbage.values()) <= (1 - GOAL) * report.objects


@each_interpreter
def test_an_uncollected_cycle_is_garbage(interpreter: Interpreter) -> None:
    """Found at its address, with its type, and told from what lives."""
    with running(interpreter.path, "zoo") as zoo:
        garbage = zoo.command("garbage")
        graph = read_heap(capture(zoo.pid))
    node = int(np.searchsorted(graph.address, garbage["address"]))
    assert graph.address[node] == garbage["address"]
    assert graph.types.name[graph.type[node]] == garbage["type"]
    assert graph.flags[node] & Node.GARBAGE


def test_ci_demands_every_supported_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A version that pyenv names but that cannot run is an error in CI, not a skip."""
    for version in ("3.10.1", "3.13.0"):
        (tmp_path / "versions" / version).mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(interpreters, "_SYSTEM", tmp_path)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(interpreters, "installed", interpreters.installed.__wrapped__)
    with pytest.raises(RuntimeError, match=r"3, 10.*3, 13"):
        interpreters.one_per_version.__wrapped__()
