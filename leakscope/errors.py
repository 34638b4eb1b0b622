"""The errors a user can meet: one line, a next thing to try, and an exit code.

Every room raises these and nothing else on purpose; ``cli`` alone prints them.
Whatever else escapes is a bug in leakscope and ends with exit code 70.
"""

EXIT_CLEAN = 0
EXIT_FLAGGED = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_ATTACH = 4
EXIT_BUG = 70


class LeakscopeError(Exception):
    """Base of all: ``message`` says what failed and why, ``help`` what to try next."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(LeakscopeError):
    """The command line asks for something that makes no sense."""

    exit_code = EXIT_USAGE


class InputError(LeakscopeError):
    """A file that cannot be read, is damaged, or is newer than this leakscope; or an output that cannot be written."""

    exit_code = EXIT_INPUT


class StoreError(InputError):
    """The session store cannot be read: not there, no rights, or it answers what cannot be used."""


class AttachError(LeakscopeError):
    """The process cannot be read: gone, no rights, no Python, not a supported version."""

    exit_code = EXIT_ATTACH


class TargetGoneError(AttachError):
    """The process ended before or while its memory was copied."""


class NoRightsError(AttachError):
    """The kernel refuses access to the process."""


class UnsupportedTargetError(AttachError):
    """Not a CPython that leakscope has been verified on."""


class DumpError(AttachError):
    """A process of another runtime was asked for a dump of its heap, and gave none that can be used."""
