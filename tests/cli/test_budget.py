"""``--max-memory`` and ``--spill-dir`` as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from leakscope.cli import main
from leakscope.cli.budget import budget, given, size
from leakscope.errors import EXIT_USAGE
from leakscope.target.budget import Budget


@pytest.mark.parametrize(
    ("text", "wanted"), [("2G", 2 << 30), ("500M", 500 << 20), ("1.5GiB", 3 << 29), ("300mb", 300 << 20)]
)
def test_sizes(text: str, wanted: int) -> None:
    assert size(text) == wanted


@pytest.mark.parametrize("text", ["", "5", "G", "-1G", "1 G", "9e9M", "9999999999999T"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        size(text)


def test_they_go_with_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.leakscope"
    file.write_bytes(b"PK")
    with pytest.raises(SystemExit) as ended:
        main.main(["top", str(file), "--max-memory", "1G", "--spill-dir", str(tmp_path)])
    assert ended.value.code == EXIT_USAGE
    assert budget() == Budget(1 << 30, tmp_path) and given() == ["--max-memory 1024M", f"--spill-dir {tmp_path}"]
    assert "--max-memory 1024M goes with a PID" in capsys.readouterr().err

    with pytest.raises(SystemExit):
        main.main(["top", str(file)])
    assert budget() == Budget(), "nothing stays from the command before"
