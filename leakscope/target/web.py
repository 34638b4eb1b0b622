"""What a service offers under a URL: asked with time limits, read up to a limit, never followed elsewhere."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from leakscope.errors import AttachError, InputError

TIMEOUT_S = 60.0
"""Without a byte."""
MOST_BYTES = 1 << 29
_HELP = "Is the URL right, and reachable from here? curl -I URL shows what it answers."


def fetched(url: str, most: int = MOST_BYTES) -> bytes:
    """What ``url`` answers. AttachError if it does not, UsageError for what is no URL, InputError for too much."""
    with _answer(url) as answer:
        content = answer.read(most + 1)
        if len(content) <= most and answer.length:
            raise AttachError(f"{url} broke off: {answer.length} bytes are missing", _HELP)
    if len(content) > most:
        raise InputError(f"{url} answers with more than {most >> 20} MiB", "That is no profile.")
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, *_: object) -> NoReturn:
        raise AttachError(f"{req.full_url} sends elsewhere, and leakscope does not follow", "Name where it leads to.")


@contextmanager
def _answer(url: str) -> Iterator[http.client.HTTPResponse]:
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=TIMEOUT_S) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        with error:
            raise AttachError(f"{url} answers {error.code} {error.reason}", _HELP) from error
    except urllib.error.URLError as error:
        raise AttachError(f"{url} does not answer: {_reason(error)}", _HELP) from error
    except (OSError, http.client.HTTPException) as error:
        raise AttachError(f"{url} broke off: {error}", _HELP) from error


def _reason(error: urllib.error.URLError) -> str:
    return (error.reason.strerror if isinstance(error.reason, OSError) else None) or str(error.reason)
