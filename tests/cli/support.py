"""What tests of several commands need."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema

from fixtures.commands import leakscope


def document(*arguments: object, code: int = 0) -> dict[str, Any]:
    """The command's JSON document, after checking that it fits its schema and stands alone."""
    done = leakscope(*arguments, "--json")
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    loaded: dict[str, Any] = json.loads(done.stdout)
    schema = resources.files("leakscope.render").joinpath("schemas", f"{arguments[0]}.json").read_text()
    jsonschema.validate(loaded, json.loads(schema))
    return loaded
