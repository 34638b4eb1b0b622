"""Message brokers, remote shells and calls, greenlets; each target brings its own server."""

from __future__ import annotations

import pytest

from tests.catalogue.environments import with_libraries
from tests.catalogue.harness import check
from tests.interpreters import Interpreter, one_per_version

EVERY = one_per_version()
ONE = [found for found in EVERY if found.version[:2] == (3, 11)] or EVERY[:1]


@pytest.mark.parametrize("interpreter", ONE, ids=lambda found: found.name)
@pytest.mark.parametrize("target", ["amqp_clients", "kombu_memory", "ssh", "grpc_channels", "gevents"])
def test_brokers(interpreter: Interpreter, target: str) -> None:
    """pika, aio-pika, kombu over AMQP and in memory, paramiko, grpc, gevent."""
    check(with_libraries(interpreter, "broker"), target)


@pytest.mark.parametrize("interpreter", EVERY, ids=lambda found: found.name)
def test_greenlets(interpreter: Interpreter) -> None:
    """Those of greenlet alone, whose C++ part begins elsewhere on 3.10; SQLAlchemy brings them."""
    check(with_libraries(interpreter, "data"), "greenlets")
