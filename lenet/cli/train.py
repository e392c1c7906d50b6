"""Commands that train and evaluate."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenet.cli.app import is_terminal, print_text, say
from lenet.cli.completion import complete_run
from lenet.cli.options import (
    ConfigArgument,
    Data,
    Device,
    Json,
    Markdown,
    Overrides,
    Overwrite,
    Root,
    Runs,
    Seed,
    Split,
    print_json,
    print_table,
)
from lenet.cli.signals import Stop, stop_on_signals
from lenet.errors import UsageError, shell

if TYPE_CHECKING:
    from lenet.training.experiment import Experiment


def train(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006  (Typer reads it as "none given")
    seed: Seed = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train this many seeds, from --seed on.")] = 1,
    device: Device = "auto",
    data: Data = None,
    runs: Root = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment: runs are written to RUNS/NAME/SEED.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing run.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Start from a trained network: --set train.from=RUN.",
            autocompletion=complete_run,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network as a config says, or on a folder or file of your own images."""
    from lenet.config.load import PICTURES, is_own_data, load_config

    own, network = is_own_data(config), ""
    if start is not None:
        overrides = [*overrides, f"train.from={json.dumps(start)}"]
        if own and not any(text.startswith("model") for text in overrides):
            from lenet.data.sources import describe_dataset
            from lenet.runs.find import open_runs

            theirs, network = open_runs(start)[0].config, f" and the network of {start}"
            overrides.append(f"model={theirs.model.model_dump_json()}")
            name = name or load_config(config).name
            channels, size = describe_dataset(theirs.data).channels, theirs.input.size
            formats = {"data.channels": channels, "data.size": size, "input.size": size}
            given = {text.partition("=")[0] for text in overrides}
            overrides += [f"{key}={value}" for key, value in formats.items() if key not in given]
            if "data.channels" not in given:
                network += f", in {'grey' if channels == 1 else 'colour'} as it learned"
    source = load_config(config, overrides, seed=seed)
    if own:
        say(f"{config} holds your own images: training with the config {PICTURES}{network}")
    # PyTorch is imported only for a config that is right.
    from lenet.figures.tensorboard import complete_events
    from lenet.training.experiment import run_experiment

    with source.explaining(), stop_on_signals() as stop:
        experiment = run_experiment(
            source.config,
            name or source.name,
            seeds=seeds,
            device=device,
            data=data,
            root=runs,
            resume=resume,
            overwrite=overwrite,
            stop=stop,
            say=say,
            progress=is_terminal(),
        )
        complete_events(experiment.runs, data, device, say, stop)
    _report(experiment, stop, device, data, as_json)


def resume(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders, or folders that hold one per seed.",
            autocompletion=complete_run,
        ),
    ],
    device: Device = "auto",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Resume interrupted runs from their last checkpoints."""
    from lenet.figures.tensorboard import complete_events
    from lenet.training.experiment import resume_runs

    with stop_on_signals() as stop:
        experiment = resume_runs(
            runs, device=device, data=data, stop=stop, say=say, progress=is_terminal()
        )
        complete_events(experiment.runs, data, device, say, stop)
    _report(experiment, stop, device, data, as_json)


def verify_resume(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006
    seed: Seed = None,
    kills: Annotated[int, typer.Option(min=1, help="How often to kill the training.")] = 3,
    device: Device = "auto",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Prove that interrupted training ends like uninterrupted training, on this machine.

    Trains a config three times: straight through, stopped and resumed, and killed and resumed.

    Use --set train.epochs=2 where the config takes long.
    """
    from lenet.config.load import load_config

    source = load_config(config, overrides, seed=seed)
    from lenet.studies.verify_resume import verify_resume

    with source.explaining():
        verdict = verify_resume(source.config, kills, device, data, say)
    if as_json:
        print_json(verdict.as_dict())
    else:
        print_text(verdict.describe())
    if not verdict.same:
        raise typer.Exit(1)


def evaluate(
    runs: Runs,
    split: Split = "test",
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Evaluate the runs as an ensemble: mean and vote."),
    ] = False,
    reliability: Annotated[
        bool,
        typer.Option(
            "--reliability",
            help="Report how well calibrated a run is, and what rejecting images gains.",
        ),
    ] = False,
    suspects: Annotated[
        bool,
        typer.Option("--suspects", help="List the images whose label the runs doubt most."),
    ] = False,
    show: Annotated[
        Path | None, typer.Option(help="With --suspects: draw these images (png, svg, pdf).")
    ] = None,
    overwrite: Overwrite = False,
    draws: Annotated[
        int, typer.Option(min=0, help="Average over this many augmented draws of each image.")
    ] = 0,
    device: Device = "auto",
    data: Data = None,
    as_markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Count the errors of trained networks: total, per class, and confusion matrix."""
    from lenet.evaluation.evaluate_runs import ask_runs, evaluate_runs, probe_runs, suspect_runs

    if bool(draws) + ensemble + reliability + suspects > 1:
        raise UsageError("--ensemble, --reliability, --suspects and --draws exclude each other")
    if show is not None:
        from lenet.figures.style import check_suffix
        from lenet.runs.files import check_output

        if not suspects:
            raise UsageError("--show draws what --suspects finds: give both")
        check_suffix(show)
        check_output(show, overwrite=overwrite)
    if suspects:
        doubted = suspect_runs(runs, split, device, data)
        if as_json:
            print_json(doubted.as_dicts())
        else:
            print_table(doubted.table(), as_markdown)
        if show is not None:
            from lenet.figures.errors import draw_suspects
            from lenet.figures.style import applied, save

            with applied():
                save(draw_suspects(doubted), show)
            say(f"drawn in {show}")
        return
    if ensemble:
        opinions = ask_runs(runs, split, device, data)
        if as_json:
            print_json(opinions.as_dict())
        else:
            print_table(opinions.table(), as_markdown)
        return
    if reliability:
        from lenet.evaluation.calibration import reliability_table

        found = probe_runs(runs, split, device, data)
        if as_json:
            print_json({name: reliable.as_dict() for name, reliable in found.items()})
        else:
            print_table(reliability_table(found), as_markdown)
        return
    results = evaluate_runs(runs, split, device, data, draws)
    if as_json:
        print_json(
            {
                name: {
                    "split": split,
                    "n": result.n,
                    "errors": result.errors,
                    "accuracy": result.accuracy,
                    "interval": result.interval,
                    "loss": result.loss,
                    "errors_by_class": result.errors_by_class,
                    "confusion": result.confusion.tolist(),
                    "classes": result.classes,
                }
                for name, result in results.items()
            }
        )
        return
    for name, result in results.items():
        print_text(f"{name}: {result}")
        print_table(result.table(), as_markdown)


def _report(
    experiment: "Experiment", stop: Stop, device: str, data: Path | None, as_json: bool
) -> None:
    """Print what came of training, or how to continue it."""
    if not experiment.runs:  # of several processes, the first one reports
        return
    if experiment.unfinished:
        command = ["lenet", "resume", *(str(run.folder) for run in experiment.unfinished)]
        command += ["--device", device] if device != "auto" else []
        command += ["--data", str(data)] if data else []
        say(f"stopped; continue with:  {shell(*command)}")
        raise typer.Exit(stop.exit_code)
    if as_json:
        print_json(experiment.results)
        return
    print_text(experiment.describe())
    print_text(f"look at it:  {shell('lenet', 'dashboard', experiment.folder.parent)}")
