"""What a service offers under a URL: asked with time limits, read up to a limit, never followed elsewhere."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from leakscope.errors import AttachError, InputError, UsageError

TIMEOUT_S = 60.0
"""Without a byte."""
MOST_BYTES = 1 << 29
_PROFILES = "/debug/pprof/"
_EXAMPLES = "http://HOST:PORT/debug/pprof/heap for Go, http://HOST:9229 for the inspector of Node"
_HELP = "Is the URL right, and reachable from here? curl -I URL shows what it answers."


def parts_of(url: str) -> urllib.parse.SplitResult:
    """UsageError for what is no URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        parts.port  # noqa: B018 (says whether it is a number)
    except ValueError as error:
        raise UsageError(f"{url} is no URL: {error}", _EXAMPLES) from error
    if not parts.hostname:
        raise UsageError(f"{url} names no host", _EXAMPLES)
    return parts


def is_url(source: str) -> bool:
    """Whether SOURCE is an address of the web and no file."""
    return source.startswith(("http://", "https://", "ws://", "wss://"))


def names_profile(url: str) -> bool:
    """Whether it is one of Go's profiles."""
    return url.startswith("http") and _PROFILES in parts_of(url).path


def profile_url(url: str) -> str:
    """The URL of a profile as leakscope asks for it: binary, of a heap after a collection.

    UsageError for profiles that are taken over time or say nothing about what lives.
    """
    parts = parts_of(url)
    name = parts.path.rpartition("/")[2]
    if name not in ("heap", "allocs", "goroutine"):
        raise UsageError(
            f"{name or 'an index'} is no profile of what lives", "Take /debug/pprof/heap or /debug/pprof/goroutine."
        )
    asked = [(key, value) for key, value in urllib.parse.parse_qsl(parts.query) if key not in ("debug", "gc")]
    if name != "goroutine":
        asked.append(("gc", "1"))
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(asked), fragment=""))


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
