"""Databases and object stores. SQLAlchemy, psycopg and redis-py on every supported version, the others on one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.catalogue import servers
from tests.catalogue.environments import with_libraries
from tests.catalogue.harness import check
from tests.interpreters import Interpreter, one_per_version

GROUP = "data"
ONE = [found for found in one_per_version() if found.version[:2] == (3, 11)] or one_per_version()[:1]
every_version = pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
one_version = pytest.mark.parametrize("interpreter", ONE, ids=lambda found: found.name)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a server for all tests of this file."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The URL of a server for all tests of this file."""
    with servers.redis() as url:
        yield url


@every_version
def test_sqlalchemy(interpreter: Interpreter) -> None:
    """Sessions, connections and pools, sync and asyncio, over sqlite3 and aiosqlite."""
    check(with_libraries(interpreter, GROUP), "alchemy")


@every_version
def test_postgres(interpreter: Interpreter, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg 3, psycopg2 and asyncpg, with pools."""
    monkeypatch.setenv("LEAKSCOPE_TEST_POSTGRES", postgres)
    check(with_libraries(interpreter, GROUP), "postgres")


@every_version
def test_redis(interpreter: Interpreter, redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients, connections and subscriptions, sync and asyncio."""
    monkeypatch.setenv("LEAKSCOPE_TEST_REDIS", redis)
    check(with_libraries(interpreter, GROUP), "redis_clients")


@one_version
@pytest.mark.parametrize("target", ["mongo", "aws", "mysql"])
def test_others(interpreter: Interpreter, target: str) -> None:
    """PyMongo, boto3 and PyMySQL, whose servers are the targets' own."""
    check(with_libraries(interpreter, GROUP), target)
