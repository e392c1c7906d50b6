"""Commands that train and evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import is_terminal, say
from lenet.cli.options import ConfigArgument, Data, Device, Json, Overrides, Root, Seed, print_json


def train(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006  (Typer reads it as "none given")
    seed: Seed = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train this many seeds, from --seed on.")] = 1,
    device: Device = "auto",
    data: Data = None,
    runs: Root = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment: the run lies in RUNS/NAME/SEED.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network as a config says."""
    from lenet import configfile

    source = configfile.load(config, overrides, seed=seed)
    from lenet.experiment import run_experiment  # torch comes in only for a config that is right

    with source.explaining():
        experiment = run_experiment(
            source.config,
            name or source.name,
            seeds=seeds,
            device=device,
            data=data,
            root=runs,
            resume=resume,
            overwrite=overwrite,
            say=say,
            progress=is_terminal(),
        )
    if as_json:
        print_json(experiment.results)
        return
    typer.echo(experiment.describe())
    typer.echo(f"look at it:  tensorboard --logdir {experiment.folder}")


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    part: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    device: Device = "auto",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Count the errors of trained networks, in all, per class, and as a confusion matrix."""
    from lenet.experiment import evaluate_runs

    results = evaluate_runs(runs, part, device, data)
    if as_json:
        print_json(
            {
                str(run): {
                    "part": part,
                    "n": result.n,
                    "errors": result.errors,
                    "error_rate": result.error_rate,
                    "interval": result.interval,
                    "loss": result.loss,
                    "errors_by_class": result.errors_by_class,
                    "confusion": result.confusion.tolist(),
                }
                for run, result in results.items()
            }
        )
        return
    for run, result in results.items():
        typer.echo(f"{run}: {result}")
        typer.echo(result.table())
