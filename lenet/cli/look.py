"""Commands that look at what was trained."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import is_terminal, say
from lenet.cli.completion import complete_config, complete_figure, complete_run, one_of
from lenet.cli.options import (
    Data,
    Device,
    Json,
    Overrides,
    Overwrite,
    PictureKind,
    Root,
    Theme,
    print_json,
    print_table,
    refuse_unused,
)
from lenet.cli.source import read_exports, read_table
from lenet.tables import Table

SEEDS_EVERY = 10.0
"""Seconds between looks for seeds that have finished while the dashboard is open."""
FOREIGN = "lenet.augment.foreign"
PARTS = ("BatchTransform", "Mixing", "Pipeline")
"""What `lenet.augment` exports besides the transforms."""


def runs(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="Folder of the runs, or published:NAME; published: is all that is published.",
            autocompletion=complete_run,
        ),
    ] = "runs",
    sort: Annotated[
        str,
        typer.Option(
            help="name, errors or epochs.", autocompletion=one_of("name", "errors", "epochs")
        ),
    ] = "name",
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print mean ± sd per experiment, for a document.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List runs and their errors; the seeds of an experiment are summarized."""
    from lenet.runs.find import PREFIX, locate
    from lenet.runs.history import list_runs, summary, table

    rows = list_runs(locate(folder), sort)
    if as_json:
        print_json([row.as_dict() for row in rows])
    elif as_markdown or (folder == PREFIX and rows):
        print_table(summary(rows), as_markdown)
    elif rows:
        print_table(table(rows))
    else:
        typer.echo("no runs")
    if not rows and folder != PREFIX:
        say(f"`lenet runs {PREFIX}` lists the published ones")


def figures(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|FIGURE",
            help="Run folders, folders of runs or published:NAME, and names of figures (all that"
            " fit, if none); without either, the figures are listed.",
            autocompletion=complete_figure,
        ),
    ] = None,
    image: Annotated[
        int | None, typer.Option(help="The test image that `maps` and `cam` show.")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="A class that `cam` shows, by name; repeatable."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for all files, not RUN/figures.")] = None,
    kind: PictureKind = "png",
    theme: Theme = "light",
    device: Device = "cpu",
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw filters, feature maps, errors and curves of runs into RUN/figures."""
    if not what:
        refuse_unused("to list the figures", to=to, data=data, image=image)
        listed = read_table("lenet.figures", "FIGURES", "COMPARISONS")
        print_table(Table((), list(listed.items()), left=frozenset({0, 1})))
        return
    from lenet.device import choose_device
    from lenet.figures.album import Order, draw_album

    for path in draw_album(
        Order.parse(what),
        image=image,
        classes=classes or (),
        data=data,
        device=str(choose_device(device)),
        to=to,
        overwrite=overwrite,
        kind=kind,
        theme=theme,
        say=say,
    ):
        typer.echo(path)


def dashboard(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the runs.")] = Path(
        "runs"
    ),
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; by default 6006 or the next free one.", min=0, max=65535
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is reachable from the network.")
    ] = "127.0.0.1",
) -> None:
    """Show runs in TensorBoard, until Ctrl-C."""
    from threading import Event

    from lenet.cli.tensorboard import open_browser, opening_view, start_tensorboard
    from lenet.figures.seed_bands import write_seeds

    address = start_tensorboard(folder, port, host)
    shown = write_seeds(folder, say)
    typer.echo(opening_view(address))
    say("press Ctrl-C to stop")
    if is_terminal():
        open_browser(opening_view(address))
    try:
        while not Event().wait(SEEDS_EVERY):
            shown |= write_seeds(folder, say, shown)
    except KeyboardInterrupt:
        say("stopped")


def augment(
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG",
            help="A YAML file, or a name from `lenet config list`;"
            " without one, the augmentations are listed.",
            autocompletion=complete_config,
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="The picture; else RUNS/CONFIG/augmentation/digits.png.")
    ] = None,
    theme: Theme = "light",
    runs: Root = Path("runs"),
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw what a config's augmentations do to digits, as a picture and for TensorBoard."""
    if config is None:
        refuse_unused("to list the transforms", out=out, data=data, set=overrides)
        _list_transforms()
        return
    from lenet.config.load import load_config

    source = load_config(config, overrides)
    from lenet.data.own import complete
    from lenet.figures.augmentation import save_augmentation
    from lenet.runs.files import check_output
    from lenet.training.build import build
    from lenet.training.experiment import load_data

    events = runs / source.name / "augmentation"
    path = out or events / "digits.png"
    check_output(path, overwrite=overwrite or out is None)
    if path.exists():
        say(f"{path} is replaced")
    with source.explaining():
        dataset = load_data(source.config, data, say)
        completed = complete(source.config, dataset)
        build(completed, [completed.seed])
    save_augmentation(completed, dataset.train, source.name, path, events, theme)
    typer.echo(path)


def _list_transforms() -> None:
    """Print what a config may list under ``augment:`` and ``mix:``."""
    listed = read_exports("lenet.augment") | read_table("lenet.augment.catalogue", "PRESETS")
    listed = {name: about for name, about in listed.items() if name not in PARTS}
    others = ", ".join(read_table(FOREIGN, "TORCHVISION"))
    libraries = " and ".join(f"{name}.NAME" for name in read_table(FOREIGN, "LIBRARIES"))
    note = (
        f"also, image by image on pixels from 0 to 255: {others};"
        f" {libraries} if installed, kornia's on the whole batch and pixels from 0 to 1"
    )
    print_table(Table((), list(listed.items()), left=frozenset({0, 1}), notes=["", note]))
