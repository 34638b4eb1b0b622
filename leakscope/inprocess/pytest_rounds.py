"""Runs a marked test in rounds, each with its own setup and teardown, and fails it if every round leaves something."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, cast

import pytest
from _pytest.runner import runtestprotocol

from leakscope.inprocess.leaks import LeakError, pauses
from leakscope.inprocess.watch import Limits, Watch

_GRACE_S = 1.0
_NUMBERS = {"sessions": 0, "growth": 0, "rounds": 3, "warmup": 1}
_AT_LEAST = {"rounds": 1, "warmup": 0}


class Rounds:
    """The plug-in behind ``pytest --leakscope``."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Wrong markers end the run before any test does."""
        for item in items:
            marker = item.get_closest_marker("leakscope")
            if marker is not None:
                _asked(item, marker)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Stands in for pytest's own protocol where a test is marked."""
        marker = item.get_closest_marker("leakscope")
        if marker is None:
            return None
        limits, numbers = _asked(item, marker)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in _in_rounds(item, nextitem, limits, numbers):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def _asked(item: pytest.Item, marker: pytest.Mark) -> tuple[Limits, dict[str, int]]:
    """UsageError if the marker says something that makes no sense."""
    numbers: dict[str, Any] = {**_NUMBERS, **marker.kwargs}
    unknown = sorted(set(numbers) - set(_NUMBERS))
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: the marker leakscope knows no {unknown[0]!r}")
    for name, value in numbers.items():
        least = _AT_LEAST.get(name, 0)
        if not isinstance(value, int) or value < least:
            raise pytest.UsageError(f"{item.nodeid}: {name} of the marker leakscope is a number from {least} on")
    try:
        return Limits(marker.args, numbers["sessions"], numbers["growth"]), numbers
    except TypeError as error:
        raise pytest.UsageError(f"{item.nodeid}: {error}") from None


def _in_rounds(
    item: pytest.Item, nextitem: pytest.Item | None, limits: Limits, numbers: dict[str, int]
) -> list[pytest.TestReport]:
    """Reports of the first round that does not pass, or else of the last one, which fails if something leaks.

    A round sets up and tears down what is the test's own; fixtures of wider scope end after the last look.
    """
    # Who comes next decides how much is torn down; the test's parent asks for all but the test itself.
    parent = cast(pytest.Item, item.parent)
    watch: Watch | None = None
    for number in range(numbers["warmup"] + numbers["rounds"]):
        if number == numbers["warmup"]:
            watch = Watch()
        reports = runtestprotocol(item, log=False, nextitem=parent)
        if not all(report.passed for report in reports):
            break
        if watch is not None:
            watch.count()
    else:
        if watch is not None:
            _judge(watch, limits, numbers["rounds"], reports)
    return _with_teardown(item, nextitem, reports)


def _judge(watch: Watch, limits: Limits, rounds: int, reports: list[pytest.TestReport]) -> None:
    """Turns the report of the call into a failure if something leaks."""
    for pause in pauses(watch, limits, _GRACE_S):
        time.sleep(pause)
    found = watch.over(limits)
    if not found:
        return
    from leakscope.inprocess.blame import blame  # numpy and the analyses, only where something has grown

    said = blame(watch, found, limits, rounds)
    if said is None:
        return
    call = next(report for report in reports if report.when == "call")
    call.outcome = "skipped" if hasattr(call, "wasxfail") else "failed"
    try:
        raise LeakError(said)
    except LeakError:
        call.longrepr = pytest.ExceptionInfo.from_current().getrepr(style="value")


def _with_teardown(
    item: pytest.Item, nextitem: pytest.Item | None, reports: list[pytest.TestReport]
) -> list[pytest.TestReport]:
    """Ends what the next test does not need, and adds to ``reports`` if that fails."""
    capture = item.config.pluginmanager.getplugin("capturemanager")
    with capture.item_capture("teardown", item) if capture else nullcontext():
        call = pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(nextitem), when="teardown")
    if call.excinfo is None:
        return reports
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return [*(each for each in reports if each.when != "teardown" or each.failed), report]
