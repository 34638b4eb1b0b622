"""pytest plug-in: ``pytest --leakscope`` lets marked tests fail when objects that they made stay alive.

Without the option this module adds a marker, a fixture and nothing to any test; what does the work is not loaded.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from leakscope.inprocess.leaks import no_leaks

_MARKER = (
    "leakscope(*classes, sessions=0, growth=0, rounds=3, warmup=1): with --leakscope, run the test in rounds and fail"
    " it if each of them leaves more sessions, or objects of your own classes, alive than these; classes are globs of"
    " what else counts as a session."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("leakscope", "leaks of objects")
    group.addoption(
        "--leakscope",
        action="store_true",
        help="look for leaks in tests that are marked with leakscope or use its fixture",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("--leakscope"):
        from leakscope.inprocess.pytest_rounds import Rounds

        config.pluginmanager.register(Rounds(), "leakscope_rounds")


class Leakscope:
    """What the fixture ``leakscope`` gives: ``no_leaks``, which looks for nothing without ``--leakscope``."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def no_leaks(self, *classes: str, **limits: Any) -> no_leaks | nullcontext[None]:
        """``leakscope.no_leaks`` with the same arguments."""
        if not self.enabled:
            return nullcontext()
        from leakscope.inprocess.leaks import no_leaks

        return no_leaks(*classes, **limits)


@pytest.fixture(scope="session")
def leakscope(pytestconfig: pytest.Config) -> Leakscope:
    """``with leakscope.no_leaks(): ...`` in a test; it checks only with ``--leakscope``."""
    return Leakscope(pytestconfig.getoption("--leakscope"))
