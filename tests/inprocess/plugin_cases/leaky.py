"""Every test here leaks, each in its own way. Run by test_plugin.py, not by itself."""

import functools
import threading
import unittest

import pytest

pytestmark = pytest.mark.leakscope
HELD, THINGS, ERRORS, CALLBACKS = [], [], [], []


class Session:
    def __init__(self):
        self.me = self


class Thing:
    pass


class Odd:
    pass


class Registry:
    all = []  # noqa: RUF012


@pytest.fixture(scope="module")
def app():
    return {}


def test_module_global():
    HELD.append(Session())


def test_growth_of_own_classes():
    THINGS.append(Thing())


def test_class_attribute():
    Registry.all.append(Session())


def test_wider_fixture(app):
    app[len(app)] = Session()


def failing():
    in_frame = Session()
    raise ValueError(bool(in_frame))


def test_stored_exception():
    try:
        failing()
    except ValueError as error:
        ERRORS.append(error)


def test_closure():
    session = Session()
    CALLBACKS.append(lambda: session)


@pytest.mark.parametrize("number", [1, 2])
def test_parametrised(number):
    HELD.append(Session())


@pytest.mark.leakscope("*.Odd", growth=5)
def test_by_class():
    HELD.append(Odd())


class Case(unittest.TestCase):
    def setUp(self):
        self.session = Session()

    def test_leaks(self):
        HELD.append(self.session)


class TestPlain:
    def test_leaks(self):
        HELD.append(Session())


@functools.cache
def remembered(key):
    return Session()


def test_cache_without_end():
    remembered(remembered.cache_info().currsize)


def test_thread():
    ready = threading.Event()

    def work():
        in_thread = Session()
        ready.set()
        threading.Event().wait()
        del in_thread

    threading.Thread(target=work, daemon=True).start()
    ready.wait()
