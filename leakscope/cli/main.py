"""The command line's entry: registers the commands, and is the one place that prints errors."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import leakscope
from leakscope.cli.chains import chains
from leakscope.cli.demo import demo
from leakscope.cli.diff import diff
from leakscope.cli.doctor import doctor
from leakscope.cli.gate import gate
from leakscope.cli.output import emit
from leakscope.cli.ps import ps
from leakscope.cli.rules import rules
from leakscope.cli.sessions import sessions
from leakscope.cli.snapshot import snapshot
from leakscope.cli.store import store
from leakscope.cli.suspects import suspects
from leakscope.cli.top import top
from leakscope.errors import EXIT_BUG, EXIT_CLEAN, EXIT_INPUT, EXIT_USAGE, LeakscopeError

EXIT_INTERRUPTED = 130
COMMANDS = (ps, doctor, snapshot, sessions, chains, top, suspects, rules, diff, gate, store, demo)

# The base of every complaint about a command line. typer carries click inside or
# depends on it, according to its version, and exports only the derived class.
_USAGE_COMPLAINT: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="leakscope",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        emit(f"leakscope {leakscope.__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which sessions are still alive in a running service, and who holds them?

    leakscope copies the memory of a CPython process from outside and names what
    keeps objects alive. Nothing is installed or run in the process. JVMs and
    Nodes are asked for a dump of their own; their dumps and Go profiles are read.

    \b
    Examples:
      leakscope demo               a guided tour on a bundled leaking service
      leakscope ps                 find the PID
      leakscope sessions 4242      which sessions live, and who holds them
      leakscope snapshot 4242      keep the picture, then ask it as often as you like
    """
    if context.invoked_subcommand is None:
        emit(context.get_help() + "\n")
        raise typer.Exit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the locale cannot spell is no failure
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="leakscope", standalone_mode=False)
    except LeakscopeError as error:
        return _complain(error.message, error.help, error.exit_code)
    except _USAGE_COMPLAINT as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except MemoryError:
        return _complain(
            "not enough memory for this heap",
            "Take the snapshot here and ask its file on a larger machine: leakscope snapshot PID.",
            EXIT_INPUT,
        )
    except Exception as error:
        return _bug(error)
    if code == EXIT_INTERRUPTED:
        return _complain("interrupted", "", EXIT_INTERRUPTED)
    return code if isinstance(code, int) else EXIT_CLEAN


def _usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "leakscope"
    message = getattr(error, "format_message", lambda: str(error))()
    return _complain(message.rstrip("."), f"{command} --help", EXIT_USAGE)


def _bug(error: Exception) -> int:
    if os.environ.get("LEAKSCOPE_DEBUG") == "1":
        traceback.print_exception(error)
    return _complain(
        f"this is a bug in leakscope: {type(error).__name__}: {error}",
        "Run it again with LEAKSCOPE_DEBUG=1 and report what it prints.",
        EXIT_BUG,
    )


def _complain(message: str, help_text: str, code: int) -> int:
    from leakscope.render.escape import escaped

    sys.stderr.write(f"leakscope: {escaped(message)}\n")
    if help_text:
        sys.stderr.write(f"help: {escaped(help_text)}\n")
    return code


if __name__ == "__main__":
    main()
