"""The options of ``leakscope gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leakscope.cli.durations import duration

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE...]", help="Snapshots of equal rounds of work, three or more.", show_default=False),
]
PidOption = Annotated[int | None, typer.Option(metavar="PID", min=1, help="A running process to drive.")]
RunOption = Annotated[str | None, typer.Option(metavar="COMMAND", help="Start this service, and always stop it.")]
ReadyOption = Annotated[
    str | None,
    typer.Option(metavar="REGEX|URL", help="The service is ready when its output matches, or the URL answers."),
]
StepOption = Annotated[str | None, typer.Option(metavar="COMMAND", help="One round of equal work; run by sh.")]
RoundsOption = Annotated[int, typer.Option(metavar="N", min=2, max=100, help="Rounds that are measured.")]
WarmupOption = Annotated[int, typer.Option(metavar="M", min=0, max=100, help="Rounds before the first snapshot.")]
SettleOption = Annotated[
    float,
    typer.Option(
        show_default="500ms", metavar="DURATION", parser=duration, help="Pause between a round and its snapshot."
    ),
]
RetryAfterOption = Annotated[
    float,
    typer.Option(
        show_default="3s",
        metavar="DURATION",
        parser=duration,
        help="Before a failure counts, wait so long and look again.",
    ),
]
StepTimeoutOption = Annotated[
    float,
    typer.Option(show_default="2m", metavar="DURATION", parser=duration, help="A step that takes longer is ended."),
]
ReadyTimeoutOption = Annotated[
    float,
    typer.Option(
        show_default="1m", metavar="DURATION", parser=duration, help="How long the service may take to be ready."
    ),
]
MaxGrowthOption = Annotated[
    float | None, typer.Option(metavar="N", min=0, help="Objects that a round may leave behind, per leak: 0.")
]
NoGrowthOption = Annotated[bool, typer.Option("--no-growth", help="Do not judge growth.")]
MaxClosedOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Closed sessions that may still be held: 0.")
]
MaxOverdueOption = Annotated[int | None, typer.Option(metavar="N", min=0, help="Sessions past their own time.")]
MaxAgeOption = Annotated[float | None, typer.Option(metavar="DURATION", parser=duration, help="Of any session.")]
MaxIdleOption = Annotated[
    float | None, typer.Option(metavar="DURATION", parser=duration, help="Unused, of any session.")
]
MaxSessionsOption = Annotated[
    list[str] | None, typer.Option(metavar="GLOB=N", help="Live sessions of a class. Repeatable.")
]
MaxRetainedOption = Annotated[
    list[str] | None, typer.Option(metavar="GLOB=SIZE", help="Retained by a class: 'app.Cache=50 MiB'.")
]
MaxContainerOption = Annotated[
    list[str] | None, typer.Option(metavar="HOLDER=N", help="Entries of a container: 'app.SESSIONS=100'.")
]
MaxDescriptorsOption = Annotated[
    float | None, typer.Option(metavar="N", min=0, help="File descriptors by which a round may grow.")
]
MaxThreadsOption = Annotated[float | None, typer.Option(metavar="N", min=0, help="Threads likewise.")]
EndedOption = Annotated[
    bool,
    typer.Option("--ended", help="Each round ends what it begins: time left to live is no excuse for growth."),
]
GuessedOption = Annotated[
    bool, typer.Option("--guessed", help="Judge state and age of sessions that only a guess calls so, too.")
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Known leaks; default leakscope-baseline.json, if it is there."),
]
UpdateBaselineOption = Annotated[
    bool, typer.Option("--update-baseline", help="Write what is found into the baseline, and pass.")
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FORMAT=FILE", help="text, json, markdown, junit, sarif or github; FILE - is standard output."
    ),
]
KeepOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Leave the snapshots in this folder.")]
