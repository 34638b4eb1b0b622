"""The rules of web libraries: every object counted exactly, with its state, against the libraries themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.catalogue.environments import with_libraries
from tests.catalogue.harness import TARGETS, check
from tests.interpreters import Interpreter, one_per_version

EVERYWHERE = ("sync_clients", "httpx_clients", "aiohttp_both", "flask_contexts", "starlette_both", "websockets_both")
ONCE = ("model_clients", "model_sockets", "django_both", "tornado_both", "socketio_both", "mcp_both")
"""Under 3.11 only."""
PAIRS = [
    pytest.param(interpreter, target, id=f"{target}-{interpreter.name}")
    for interpreter in one_per_version()
    for target in (*EVERYWHERE, *(ONCE if interpreter.version[:2] == (3, 11) else ()))
]
CATALOGUE = Path(__file__).resolve().parents[2] / "leakscope" / "sessions" / "catalogue"


@pytest.mark.parametrize(("interpreter", "target"), PAIRS)
def test_library(interpreter: Interpreter, target: str) -> None:
    """What the target says it holds is what the catalogue finds in it, and nothing else is called a session."""
    check(with_libraries(interpreter, "web"), target)


@pytest.mark.parametrize("file", sorted(CATALOGUE.glob("web_*.toml")), ids=lambda file: file.stem)
def test_every_rule_is_met(file: Path) -> None:
    """No rule is in the catalogue that no target expects to find something."""
    expected = "".join((TARGETS / f"{target}.py").read_text() for target in (*EVERYWHERE, *ONCE))
    rules = re.findall(r'^name = "(.+)"$', file.read_text(), re.MULTILINE)
    assert rules
    assert [rule for rule in rules if f'"{rule}": {{' not in expected] == []
