"""Options that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Since = Annotated[str | None, typer.Option("--from", help="First hour (UTC); else 23 hours ago.")]
Until = Annotated[
    str | None, typer.Option("--to", help="Hour to stop before; else after this one.")
]
