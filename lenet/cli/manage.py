"""Commands about configs and published runs, and the benchmarks."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import is_terminal, say
from lenet.cli.completion import complete_run, one_of
from lenet.cli.options import (
    ConfigArgument,
    Data,
    Device,
    Json,
    Markdown,
    Overrides,
    print_json,
    print_table,
    print_tables,
)
from lenet.errors import UsageError, nearest, shell
from lenet.tables import Table

config = typer.Typer(no_args_is_help=True, help="List, show, check and copy configs.")
bench = typer.Typer(no_args_is_help=True, help="Measure speed, ours and others' side by side.")


@config.command(name="list")
def list_configs(as_json: Json = False) -> None:
    """List the configs that come with the project."""
    from lenet.config.load import (
        config_names,
        find_config,
        read_header,
    )

    rows = {}
    for name in config_names():
        about = " ".join(read_header(find_config(name)).partition("\n\n")[0].split())
        rows[name] = re.split(r"(?<=[.?]) ", about)[0]  # the first sentence
    if as_json:
        print_json(rows)
        return
    print_table(Table((), list(rows.items()), left=frozenset({0, 1})))


@config.command()
def show(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006
    origins: Annotated[
        bool, typer.Option("--origins", help="Show where each value comes from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the whole resolved config: every key, with its value."""
    from lenet.config.load import (
        dump_config,
        load_config,
    )

    source = load_config(config, overrides)
    if as_json:
        print_json(source.config.model_dump())
    elif origins:
        for key, value, origin in source.values():
            typer.echo(f"{key}: {json.dumps(value)}  # {origin}")
    else:
        typer.echo(dump_config(source.config), nl=False)


@config.command()
def validate(config: ConfigArgument, overrides: Overrides = []) -> None:  # noqa: B006
    """Check a config, down to its transforms, its network and your own images, without training."""
    from lenet.config.load import load_config

    source = load_config(config, overrides)
    from lenet.training.experiment import check_experiment

    with source.explaining():
        check_experiment(source.config, say, is_terminal())
    typer.echo(f"{config} is well-formed")


@config.command()
def schema() -> None:
    """Print the JSON Schema of config files, for editors."""
    from lenet.augment.catalogue import describe_specs
    from lenet.config.load import json_schema

    print_json(json_schema(describe_specs()))


@config.command()
def copy(
    config: ConfigArgument,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The new file; its folder is made.")],
) -> None:
    """Copy a config that comes with the project, to change it."""
    from lenet.config.load import (
        find_config,
    )

    if to.exists():
        raise UsageError(f"{to} exists already")
    path = find_config(config)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}") from error
    say(f"copied; train it with:  {shell('lenet', 'train', to)}")


def publish(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            autocompletion=complete_run,
            help="The seeds of an experiment: runs, or their folder. Without any, only results.csv"
            " is written anew.",
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder of the published experiments.")] = Path(
        "runs/published"
    ),
    name: Annotated[
        str | None, typer.Option(help="The experiment's name there; else that of RUN's folder.")
    ] = None,
    without_weights: Annotated[
        bool, typer.Option("--without-weights", help="Leave the weights out.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an experiment of the same name.")
    ] = False,
) -> None:
    """Write the seeds of an experiment as a few files for git, and a table of all results."""
    from lenet.runs.publish import publish as publish_runs
    from lenet.runs.publish import write_results
    from lenet.runs.published import RESULTS

    if runs:
        folder = publish_runs(
            runs, to, name, weights=not without_weights, overwrite=overwrite, say=say
        )
        typer.echo(folder)
    else:
        write_results(to)
    typer.echo(to / RESULTS)


@bench.command()
def train(
    data: Data = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 5,
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Time training against a bare loop and against torchvision's DataLoader."""
    from lenet.bench.train import measure, tables

    rows = measure(data, rounds)
    if as_json:
        print_json({name: [row.as_dict() for row in group] for name, group in rows.items()})
    else:
        print_tables(tables(rows), as_markdown)


@bench.command()
def profile(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006
    data: Data = None,
    device: Device = "auto",
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Show where the time of an epoch of CONFIG goes, stage by stage."""
    from lenet.bench.profile import measure, table
    from lenet.config.load import load_config
    from lenet.device import choose_device

    stages = measure(load_config(config, overrides).config, data, choose_device(device))
    if as_json:
        print_json([stage.as_dict() for stage in stages])
    else:
        print_table(table(stages), as_markdown)


@bench.command()
def paper(
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 3,
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Time the rule of 1998, one update per image, against autograd."""
    from lenet.bench.paper import measure, table

    rows = measure(rounds)
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        print_table(table(rows), as_markdown)


@bench.command()
def scale(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="batch, width, processes, seeds, sweep; all, if none.",
            autocompletion=one_of("batch", "width", "processes", "seeds", "sweep"),
        ),
    ] = None,
    data: Data = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 3,
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Time two processes, seeds at once, and a sweep's trial against their plain counterparts."""
    from lenet.bench.scale import QUESTIONS, measure, table

    left = list(dict.fromkeys(names or QUESTIONS))
    for name in left:
        if name not in QUESTIONS:
            raise UsageError(f"no measurement {name!r}; {nearest(name, QUESTIONS)}")
    measured = {}
    try:
        for name, rows in measure(data, rounds, list(left), say):
            measured[name] = [row.as_dict() for row in rows]
            left.remove(name)
            if not as_json:
                if len(measured) > 1:
                    typer.echo()
                print_table(table(rows), as_markdown)
    except KeyboardInterrupt:
        words = ["lenet", "bench", "scale", *left, "--rounds", str(rounds)]
        words += ["--data", str(data)] if data else []
        say(f"measure the rest:  {shell(*words)}")
        raise
    if as_json:
        print_json(measured)


@bench.command()
def chip(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs, one seed each; without any, four published."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Measure networks as C: errors, memory, and instructions on emulated Cortex-M cores."""
    from lenet.bench.chip import measure, table

    rows = measure(runs or (), data)
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        print_table(table(rows), as_markdown)


@bench.command()
def augment(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Transforms; without any, all and training too."),
    ] = None,
    data: Data = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 3,
    as_json: Json = False,
    as_markdown: Markdown = False,
) -> None:
    """Time augmentations beside torchvision's and kornia's, and training with them."""
    from lenet.bench.augment import CASES, measure, table

    unknown = [name for name in names or () if name not in CASES]
    if unknown:
        raise UsageError(f"no transform {unknown[0]!r} here; there are {', '.join(CASES)}")
    rows = measure(data, rounds, names or ())
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        print_table(table(rows), as_markdown)
