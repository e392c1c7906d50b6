"""Commands that look at what was trained."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.options import Json, print_json


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of the runs.")] = Path("runs"),
    sort: Annotated[str, typer.Option(help="name, errors or passes.")] = "name",
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print mean ± sd per experiment, for a document.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List runs and their errors; several seeds of a config are summed up."""
    from lenet.history import list_runs, markdown, table

    rows = list_runs(folder, sort)
    if as_json:
        print_json([row.as_dict() for row in rows])
    elif as_markdown:
        typer.echo(markdown(rows))
    else:
        typer.echo(table(rows))
