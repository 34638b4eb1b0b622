"""What tests need and what takes long to get is made once and kept in ``$LEAKSCOPE_TEST_CACHE`` (default ``.cache``
beside this folder).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_DEFAULT = Path(__file__).resolve().parent.parent / ".cache"


def cache_folder() -> Path:
    """Made if it is not there."""
    folder = Path(os.environ.get("LEAKSCOPE_TEST_CACHE", _DEFAULT))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name`` of the cache; ``make`` is told where to make it when it is first asked for.

    Whoever else asks meanwhile, here or in another process, waits; nobody sees a folder that is half made.
    """
    home = cache_folder() / name
    with home.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            making = home.with_name(f"{name}.making")
            shutil.rmtree(making, ignore_errors=True)
            make(making)
            making.rename(home)
    return home


def run(*command: str | Path) -> None:
    """A command that must succeed. RuntimeError with what it said if it does not."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}\n{done.stderr}")
