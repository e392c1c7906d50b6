"""Commands about several experiments: studies, and comparisons between runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from lenet.cli.app import say
from lenet.cli.completion import complete_study
from lenet.cli.options import (
    Data,
    Device,
    Json,
    Markdown,
    Overrides,
    Overwrite,
    PictureKind,
    Root,
    Runs,
    Split,
    Theme,
    print_json,
    print_table,
    print_tables,
    refuse_unused,
)
from lenet.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from lenet.studies.study import Measured, Study


class ReproduceCommand(TyperCommand):
    """Lists the studies in its help, which are imported when it is asked for."""

    def get_help(self, ctx: Any) -> str:
        """Return the help, with the table's studies below the summary."""
        from lenet.studies import STUDIES

        summary, _, details = (self.help or "").partition("\n\n")
        self.help = f"{summary}\n\nStudies: {', '.join(STUDIES)}.\n\n{details}"
        return super().get_help(ctx)


def reproduce(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STUDY|ROW",
            help="Studies, or rows of figure9, e.g. lenet5. figure9, if none.",
            autocompletion=complete_study,
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs per row, instead of the study's number.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Experiments trained at once.")] = 1,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train what is missing, or only look.")
    ] = True,
    data: Data = None,
    runs: Root = Path("runs"),
    to: Annotated[
        Path | None,
        typer.Option(help="Write tables (Markdown, JSON) and figures into this folder."),
    ] = None,
    kind: PictureKind = "png",
    theme: Theme = "light",
    overwrite: Overwrite = False,
    as_markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Train the experiments of a study and print its table.

    Finished runs are not trained again: interrupt and repeat as you like.

    With --no-train, rows without runs of your own show the published ones.
    """
    from lenet.runs.files import check_output
    from lenet.studies import choose_studies
    from lenet.studies.study import collect, train_missing

    chosen = choose_studies(what or [])
    if not train:
        refuse_unused("with --no-train", seeds=seeds, set=overrides)
    if not train and all(study.trains for study in chosen):
        refuse_unused("with --no-train", data=data)
    studies = [study.complete(study, data, say) for study in chosen]
    if to:
        from lenet.figures.style import check_suffix, check_theme

        check_theme(theme)
        for study in studies:
            check_suffix(to / f"{study.name}.{kind}")
            for suffix in ("md", "json", kind):
                check_output(to / f"{study.name}.{suffix}", overwrite=overwrite)
    if train:
        rows = [row for study in studies if study.trains for row in study.rows]
        with stop_on_signals() as stop:
            done = train_missing(
                rows, runs, seeds=seeds, jobs=jobs, overrides=overrides, data=data, stop=stop,
                say=say,
            )  # fmt: skip
        if not done:
            say("stopped; the same command continues from here")
            raise typer.Exit(stop.exit_code)
    measured = [(study, collect(study, runs)) for study in studies]
    for study, rows_of_it in measured:
        if not rows_of_it:
            say(f"{study.name} has no finished run in {runs}")
    found = [(study, rows_of_it) for study, rows_of_it in measured if rows_of_it]
    if to and found:
        _write_studies(found, to, kind, theme, overwrite)
    if as_json:
        print_json([row for study, part in found for row in study.as_dicts(part)])
        return
    for number, (study, part) in enumerate(found):
        if number:
            typer.echo()
        print_table(study.table(part), as_markdown)


def _write_studies(
    found: Sequence[tuple["Study", Sequence["Measured"]]],
    to: Path,
    kind: str,
    theme: str,
    overwrite: bool,
) -> None:
    """Write each study's table and figures into a folder."""
    from lenet.figures import style
    from lenet.figures.reproduction import draw_study
    from lenet.runs.files import check_output, write_atomically

    with style.applied(theme):
        for study, measured in found:
            for name, figure in draw_study(study, measured).items():
                check_output(to / f"{name}.{kind}", overwrite=overwrite)
                style.save(figure, to / f"{name}.{kind}")
            table = study.table(measured).markdown()
            content = json.dumps(study.as_dicts(measured), indent=2, ensure_ascii=False)
            write_atomically(to / f"{study.name}.md", f"{table}\n".encode())
            write_atomically(to / f"{study.name}.json", f"{content}\n".encode())
    say(f"tables and figures: {to}")


def compare(
    runs: Runs,
    split: Split = "test",
    show: Annotated[
        Path | None, typer.Option(help="Draw the images that all get wrong (png, svg, pdf).")
    ] = None,
    device: Device = "auto",
    data: Data = None,
    overwrite: Overwrite = False,
    as_markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Compare runs image by image: McNemar's exact test, differing settings, common mistakes."""
    from lenet.evaluation.compare_runs import compare_runs
    from lenet.runs.files import check_output

    if show:
        from lenet.figures.style import check_suffix

        check_suffix(show)
        check_output(show, overwrite=overwrite)
    comparison = compare_runs(runs, split, device, data)
    if as_json:
        print_json(comparison.as_dict())
    else:
        print_tables(comparison.tables(), as_markdown)
    if show:
        from lenet.figures.errors import draw_common_errors
        from lenet.figures.style import applied, save

        with applied():
            save(draw_common_errors(comparison), show)
        say(f"drawn in {show}")
