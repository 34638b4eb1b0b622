"""Marked tests that do not pass, or whose surroundings do not."""

import pytest

pytestmark = pytest.mark.leakscope
HELD = []
RUNS = []


class Session:
    pass


@pytest.fixture
def broken():
    raise RuntimeError("the setup fails")


@pytest.fixture
def ends_badly():
    yield
    raise RuntimeError("the teardown fails")


def test_fails():
    HELD.append(Session())
    assert "the test" == "fails"


def test_skips():
    HELD.append(Session())
    pytest.skip("of its own")


@pytest.mark.skip
def test_is_skipped():
    pass


@pytest.mark.xfail
def test_xfails():
    HELD.append(Session())
    raise AssertionError


@pytest.mark.xfail(reason="it leaks")
def test_leak_that_is_expected():
    HELD.append(Session())


def test_needs_what_fails(broken):
    pass


def test_ends_badly(ends_badly):
    pass


def test_after_them():
    pass


def test_fails_late():
    RUNS.append(1)
    assert len(RUNS) < 3
