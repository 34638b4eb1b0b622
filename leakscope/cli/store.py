"""``leakscope store``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.durations import duration
from leakscope.cli.options import JsonOption, LimitOption, NoColorOption
from leakscope.cli.output import clear_progress, emit, emit_json, progress, screen
from leakscope.errors import EXIT_FLAGGED, UsageError

if TYPE_CHECKING:
    from leakscope.findings.model import Cluster
    from leakscope.findings.store import CopyRow, Known, StoreReport
    from leakscope.store.address import Address
    from leakscope.store.connection import Tls
    from leakscope.store.judge import Asked, Found


def store(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="redis://user@host:port/database, or rediss:// for TLS. The password: REDISCLI_AUTH, or in the URL.",
        ),
    ],
    match: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only keys that match, as in 'session:*'.", show_default=False)
    ] = None,
    snapshot: Annotated[
        list[Path] | None,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="A snapshot of a process that uses the store: its sessions are compared with the keys. Repeatable.",
            show_default=False,
        ),
    ] = None,
    idle_longer_than: Annotated[
        float | None,
        typer.Option(metavar="DURATION", parser=duration, help="Flag keys not used for longer: 90s, 30m, 1h30m, 7d."),
    ] = None,
    rate: Annotated[int, typer.Option(metavar="N", min=1, help="Look at no more than so many keys a second.")] = 25_000,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit with 1 if a key is flagged, or a copy is gone from the store.")
    ] = False,
    cacert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificates of the authority to trust.", show_default=False)
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Our own certificate, for TLS.", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key.", show_default=False)] = None,
    limit: LimitOption = 50,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show keys as they are instead of masking them. May show secrets.")
    ] = False,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Show what leaks in a Redis session store.

    Keys that never expire, that lie idle, or that no process knows any more.

    With --snapshot also the other way round: sessions that live on in a
    process although the store has them no more, and who holds them.

    Only reads (SCAN, TTL, TYPE, OBJECT IDLETIME, MEMORY USAGE), in small
    batches and no faster than --rate. Values are never asked for.

    \b
    Examples:
      leakscope store redis://localhost --match 'session:*'
      leakscope store redis://localhost --match 'session:*' --idle-longer-than 30m
      leakscope store redis://localhost --match 'session:*' --snapshot a.leakscope --snapshot b.leakscope
    """
    from leakscope.render import store_text
    from leakscope.render.documents import store as document
    from leakscope.store.address import parse_address
    from leakscope.store.connection import Tls
    from leakscope.store.judge import Asked

    address = parse_address(url)
    if key is not None and cert is None:
        raise UsageError("--key goes with --cert", "Give both files.")
    if not address.tls and (cacert or cert):
        raise UsageError("--cacert, --cert and --key go with rediss://", "redis:// is not encrypted.")
    asked = Asked(match, idle_longer_than, rate, limit, reveal)
    report = _asked(address, Tls(cacert, cert, key), asked, snapshot or [])
    emit_json(document(address.url, report)) if json else emit(store_text.store(report, screen(no_color)))
    if fail and (report.keys.flagged or report.gone):
        raise typer.Exit(EXIT_FLAGGED)


def _asked(address: Address, tls: Tls, asked: Asked, files: list[Path]) -> StoreReport:
    """Snapshots are read one at a time, before and after: while the store is asked, only masks are in memory."""
    from leakscope.findings.store import StoreReport
    from leakscope.store.connection import Connection
    from leakscope.store.judge import read_store

    known = [_known(path) for path in files]
    try:
        with Connection(address, tls) as connection:
            found = read_store(connection, address, asked, known, progress())
    finally:
        clear_progress()
    copies, clusters = _copies(files, known, found)
    return StoreReport(asked.match, address.database, found.report, tuple(copies), tuple(clusters))


def _known(path: Path) -> Known:
    from leakscope.analysis.copies import known_of
    from leakscope.formats.leakscope_file import load

    return known_of(load(path), path.name)


def _copies(files: list[Path], known: list[Known], found: Found) -> tuple[list[CopyRow], list[Cluster]]:
    if not files:
        return [], []
    from leakscope.analysis.copies import compared
    from leakscope.formats.leakscope_file import load
    from leakscope.store.judge import gone

    rows: list[CopyRow] = []
    clusters: list[Cluster] = []
    for path, each, in_store in zip(files, known, found.in_store, strict=True):
        more_rows, more_clusters = compared(load(path), path.name, gone(each, in_store))
        rows += more_rows
        clusters += more_clusters
    return rows, clusters
