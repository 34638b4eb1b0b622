"""Thirty sound tests of the kinds that count-based checks cry wolf at."""

import asyncio
import collections
import contextlib
import contextvars
import dataclasses
import enum
import functools
import gc
import itertools
import json
import logging
import queue
import re
import sqlite3
import sys
import tempfile
import threading
import unittest
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

pytestmark = pytest.mark.leakscope
LOG = logging.getLogger("healthy")
NUMBERS = itertools.count()


class Session:
    def __init__(self, name="x"):
        self.me, self.name = self, name

    def send(self, text):
        return text.upper()


class Pool:
    def __init__(self, size):
        self.idle, self.size, self.made = [], size, 0

    @contextlib.contextmanager
    def session(self):
        session = self.idle.pop() if self.idle else Session()
        try:
            yield session
        finally:
            self.idle.append(session)


POOL, LAST, RECENT = Pool(3), {}, collections.deque(maxlen=1)
LIVE = weakref.WeakSet()
CURRENT = contextvars.ContextVar("current", default=None)


@functools.cache
def cached(key):
    return Session(key)


@functools.lru_cache(maxsize=1)
def newest(key):
    return Session(key)


@pytest.fixture
def collected():
    return []


@pytest.fixture(scope="module")
def client():
    return Session("of the module")


@pytest.fixture
def closing():
    session = Session()
    yield session
    session.me = None


def test_plain():
    assert Session().send("a") == "A"


def test_cycle():
    first, second = Session(), Session()
    first.me, second.me = second, first


def test_cache():
    assert cached("key") is cached("key")


def test_bounded_cache_with_turnover():
    assert newest(next(NUMBERS)).name >= 0


def test_pool():
    with POOL.session() as first, POOL.session() as second:
        assert first is not second


def test_last_one_is_kept():
    LAST["session"] = Session()


def test_bounded_queue():
    RECENT.append(Session())


def test_lazy_import():
    import xml.dom.minidom as lazy

    assert lazy.parseString("<a/>").documentElement.tagName == "a"


def test_mock():
    session = mock.MagicMock(spec=Session)
    session.send.return_value = "B"
    assert session.send(Session()) == "B"


def test_patch():
    with mock.patch.object(Session, "send", autospec=True) as send:
        Session().send("a")
    send.assert_called_once()


def test_logging():
    LOG.warning("opened %s", Session())


def test_captured_logging(caplog):
    with caplog.at_level(logging.DEBUG):
        LOG.debug("opened %s", Session())
    assert caplog.records[0].args


def test_logged_exception():
    try:
        raise ValueError(Session())
    except ValueError:
        LOG.exception("failed")


def test_raises():
    with pytest.raises(ValueError) as caught:
        raise ValueError(Session())
    assert caught.value.args


def test_chained_exceptions():
    with pytest.raises(KeyError):
        try:
            raise ValueError(Session())
        except ValueError as error:
            raise KeyError(Session()) from error


def test_warning():
    with pytest.warns(UserWarning):
        warnings.warn(UserWarning("expected", Session()), stacklevel=1)


def test_warning_that_pytest_records():
    warnings.warn(UserWarning("seen", Session()), stacklevel=1)


def test_output(capsys):
    sys.stdout.write(str(Session()))
    assert "Session" in capsys.readouterr().out


def test_asyncio():
    async def work(session):
        await asyncio.sleep(0)
        return session

    async def main():
        return len(await asyncio.gather(*(work(Session()) for _ in range(5))))

    assert asyncio.run(main()) == 5


def test_cancelled_task():
    async def main():
        task = asyncio.create_task(asyncio.Event().wait(), name=str(Session()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_thread():
    session = Session()
    thread = threading.Thread(target=session.send, args=("a",))
    thread.start()
    thread.join()


def test_thread_that_ends_soon():
    threading.Timer(0.05, Session().send, ["a"]).start()


def test_thread_pool():
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda session: session.name, [Session(), Session()])) == ["x", "x"]


def test_thread_local():
    local = threading.local()
    local.session = Session()


def test_queue():
    waiting = queue.Queue()
    waiting.put(Session())
    waiting.get()


def test_context_variable():
    contextvars.copy_context().run(CURRENT.set, Session())


def test_weak_registry():
    LIVE.add(Session())


def test_database():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("select 1").fetchall()


def test_generator_that_is_left():
    def sessions():
        while True:
            yield Session()

    next(sessions())


def test_classes_of_its_own():
    @dataclasses.dataclass
    class LocalSession:
        name: str

    class Kind(enum.Enum):
        SESSION = LocalSession("x")

    assert Kind.SESSION.value == LocalSession("x")


def test_fixture_of_the_test(collected):
    collected.append(Session())


def test_fixture_with_an_end(closing):
    closing.me = [Session()]


def test_fixture_of_the_module(client):
    client.last = Session()


def test_files(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}))
    with tempfile.TemporaryFile() as file:
        file.write(b"a")
    assert Path(tmp_path / "a.json").exists()


def test_regular_expressions():
    assert re.compile(f"a{next(NUMBERS)}").pattern


def test_monkeypatch(monkeypatch):
    monkeypatch.setattr(Session, "name", Session(), raising=False)


@pytest.mark.parametrize("session", [Session("first"), Session("second")])
def test_parametrised(session):
    assert session.name


def test_collector_of_its_own():
    gc.collect()
    Session()


class TestPlain:
    def setup_method(self):
        self.session = Session()

    def test_attribute(self):
        self.other = [self.session, Session()]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = Session()

    def setUp(self):
        self.session = Session()
        self.addCleanup(self.session.send, "a")

    def test_attribute(self):
        self.other = [self.session, Session()]

    def test_raises(self):
        with self.assertRaises(ValueError) as caught:
            raise ValueError(Session())
        self.assertTrue(caught.exception.args)

    def test_sub_tests(self):
        for number in range(2):
            with self.subTest(number=number):
                Session()
