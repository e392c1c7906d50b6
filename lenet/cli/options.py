"""Arguments and options that several commands share."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from lenet.cli.completion import complete_config, complete_override, complete_run, one_of
from lenet.errors import UsageError
from lenet.tables import Table

ConfigArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, a name from `lenet config list`, or a folder of your own pictures.",
        autocompletion=complete_config,
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value: --set train.epochs=3",
        autocompletion=complete_override,
    ),
]
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="Runs, folders of several seeds, or published:NAME.",
        autocompletion=complete_run,
    ),
]
Split = Annotated[
    str,
    typer.Option(
        help="test, validation or train.", autocompletion=one_of("test", "validation", "train")
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed, instead of the config's.")]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda or mps.", autocompletion=one_of("auto", "cpu", "cuda", "mps")
    ),
]
PictureKind = Annotated[
    str,
    typer.Option("--format", help="png, svg or pdf.", autocompletion=one_of("png", "svg", "pdf")),
]
Theme = Annotated[str, typer.Option(help="light or dark.", autocompletion=one_of("light", "dark"))]
Data = Annotated[Path | None, typer.Option(help="Folder to search for the dataset first.")]
Root = Annotated[Path, typer.Option(help="Folder of the runs.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a document.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def refuse_unused(why: str, **given: object) -> None:
    """Refuse options that a command does not use as it was asked.

    Raises:
        UsageError: One was given, that is, is neither None nor empty.
    """
    for name, value in given.items():
        if value is not None and value != []:
            raise UsageError(f"--{name} is not used {why}: leave it out")


def print_json(content: Any) -> None:
    """Print a result for machines."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_tables(tables: Iterable[Table], as_markdown: bool = False) -> None:
    """Print tables with an empty line between them; see `print_table`."""
    for number, table in enumerate(tables):
        if number:
            typer.echo()
        print_table(table, as_markdown)


def print_table(table: Table, as_markdown: bool = False) -> None:
    """Print a table, fitted to the terminal or to 80 columns, in colour only on a terminal."""
    from rich.console import Console

    if as_markdown:
        typer.echo(table.markdown())
    else:
        Console(highlight=False).print(table, crop=False)
