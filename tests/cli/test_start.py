"""What starting costs, and what the version and the empty command line say."""

from __future__ import annotations

import subprocess
import sys

import pytest

import leakscope as package
from fixtures.commands import clean_environment, leakscope
from leakscope.errors import EXIT_USAGE

HEAVY = {"numpy", "pyarrow", "rich", "psutil", "elftools", "asyncio"}


@pytest.mark.parametrize("arguments", [["--help"], ["snapshot", "--help"], ["demo", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom leakscope.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    assert HEAVY.isdisjoint(done.stderr.split())


def test_version() -> None:
    assert leakscope("--version").stdout == f"leakscope {package.__version__}\n"


def test_without_a_command_the_overview_is_shown() -> None:
    done = leakscope()
    assert done.returncode == EXIT_USAGE
    assert done.stdout == leakscope("--help").stdout
