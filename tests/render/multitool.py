"""Microsoft's SARIF Multitool, which validates logs against the official schema; from the npm registry, kept."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from tests.cache import kept, run

PACKAGE = "@microsoft/sarif-multitool-linux@5.7.0"


@functools.cache
def multitool() -> Path:
    """The program; installed when first asked for. RuntimeError if npm cannot."""
    home = kept("sarif-multitool-5.7.0", _install)
    return home / "node_modules" / "@microsoft" / "sarif-multitool-linux" / "Sarif.Multitool"


def _install(home: Path) -> None:
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", home, PACKAGE)
    for program in home.rglob("Sarif.Multitool"):
        program.chmod(0o755)


def problems(log: Path) -> list[str]:
    """What is wrong with a log: errors of the schema and of the specification, without advice."""
    done = subprocess.run(
        [multitool(), "validate", str(log)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )
    lines = done.stdout.splitlines()
    assert any("files scanned" in line for line in lines), done.stdout + done.stderr
    return [line for line in lines if ": error " in line]
