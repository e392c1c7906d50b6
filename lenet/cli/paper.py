"""Commands about the 1998 paper, and between runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import say
from lenet.cli.learn import lecture
from lenet.cli.options import Data, Device, Json, Root, print_json
from lenet.cli.signals import stop_on_signals


def reproduce(
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROW]...", help="Rows of the table, e.g. lenet5; all, if none."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per row.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Rows trained at once.")] = 1,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train what is missing, or only look.")
    ] = True,
    data: Data = None,
    runs: Root = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Write table.md, table.json and figures into this folder.")
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table for a document.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train the networks of the paper's Figure 9 and lay its errors beside ours.

    `lenet reproduce ladder` goes from 1998 to today instead, one change at a time, and
    `lenet reproduce lecture` makes the tables of the lecture.

    What is finished is not trained again: interrupt and repeat as you like.
    """
    if rows == ["ladder"]:
        _climb(seeds, runs, train, data, to, as_json)
        return
    if rows and rows[0] == "lecture":
        lecture(rows[1:], seeds=seeds, train=train, data=data, runs=runs, as_json=as_json)
        return
    from lenet.studies.reproduce import choose_rows, markdown, measure, table, train_missing

    chosen = choose_rows(rows or [])
    if train:
        train_missing(chosen, seeds, jobs, runs, data=data, say=say)
    measured = measure(chosen, runs)
    if to and measured:
        from lenet.figures import style
        from lenet.figures.curves import draw_curves
        from lenet.figures.reproduction import FIGURE_6, draw_bars, draw_sizes

        to.mkdir(parents=True, exist_ok=True)
        (to / "table.md").write_text(markdown(measured) + "\n", encoding="utf-8")
        content = json.dumps([m.as_dict() for m in measured], indent=2)
        (to / "table.json").write_text(content + "\n", encoding="utf-8")
        with style.applied():
            style.save(draw_bars(measured), to / "figure9.png")
            if any(m.row.name in FIGURE_6 for m in measured):
                style.save(draw_sizes(measured), to / "figure6.png")
            for m in measured:
                if m.row.name == "lenet5":
                    style.save(draw_curves(m.runs), to / "figure5.png")
        say(f"table and figures: {to}")
    if as_json:
        print_json([m.as_dict() for m in measured])
    else:
        typer.echo(markdown(measured) if as_markdown else table(measured))


def _climb(
    seeds: int, runs: Path, train: bool, data: Path | None, to: Path | None, as_json: bool
) -> None:
    """Train the ladder's steps and show the errors after each."""
    from lenet.studies.ladder import measure_steps, table, train_steps

    if train:
        with stop_on_signals() as stop:
            if not train_steps(seeds, runs, data=data, stop=stop, say=say):
                raise typer.Exit(stop.exit_code)
    measured = measure_steps(runs)
    if to:
        from lenet.figures import style
        from lenet.figures.ladder import draw_steps

        to.mkdir(parents=True, exist_ok=True)
        (to / "ladder.md").write_text(table(measured) + "\n", encoding="utf-8")
        with style.applied():
            style.save(draw_steps({step.name: step.errors for step in measured}), to / "ladder.png")
    if as_json:
        print_json([step.__dict__ for step in measured])
    else:
        typer.echo(table(measured))


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Runs, folders of several seeds, or published:NAME."),
    ],
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    device: Device = "auto",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare runs image by image: mean ± sd, McNemar's exact test, what all get wrong."""
    from lenet.evaluation.compare_runs import compare_runs

    comparison = compare_runs(runs, split, device, data)
    if as_json:
        print_json(comparison.as_dict())
    else:
        typer.echo(comparison.describe())
