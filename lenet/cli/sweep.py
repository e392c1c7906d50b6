"""The command that searches for the best config."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import print_text, say
from lenet.cli.options import ConfigArgument, Data, Device, Json, Overrides, Root, Seed, print_json
from lenet.cli.signals import stop_on_signals
from lenet.errors import RunError, UsageError, how_to_install, shell


def sweep(
    config: ConfigArgument,
    space: Annotated[Path, typer.Option(help="YAML file: config keys and their ranges.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of all workers together.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Workers on this machine.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL that workers share (put the password into PGPASSWORD or ~/.pgpass);"
            " without it, a journal file in the folder."
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    seed: Seed = None,
    device: Device = "auto",
    data: Data = None,
    runs: Root = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the sweep: its runs are written to RUNS/NAME.")
    ] = None,
    silence: Annotated[
        float,
        typer.Option(
            min=1, help="Seconds without a heartbeat until another worker continues a trial."
        ),
    ] = 120.0,
    worker: Annotated[int, typer.Option(hidden=True)] = 0,
    as_json: Json = False,
) -> None:
    """Search for the config with the fewest validation errors (needs the extra `sweep`).

    Any number of machines may run the same command with a storage that all of them reach.
    """
    from lenet.config.load import load_config
    from lenet.studies.search_space import read_space

    source = load_config(config, overrides, seed=seed)
    if source.config.data.validation == 0:
        raise UsageError(
            "a sweep needs images to choose by: add --set data.validation=5000"
            " (the test set chooses nothing)"
        )
    try:
        from lenet.studies.sweep import Sweep, describe_trial, describe_values, work, write_best
    except ModuleNotFoundError as error:
        raise UsageError(f"a sweep needs Optuna: {how_to_install('sweep')}") from error

    changes = [*overrides, f"seed={source.config.seed}"]
    label = name or f"{source.name}-sweep"
    plain = Sweep(config, changes, {}, label, runs, storage, source.config.seed, silence)
    searched = replace(plain, space=read_space(space, plain.config))
    with stop_on_signals() as stop:
        searched.open()  # once, before several workers would make its tables at the same time
        command = [sys.executable, "-m", "lenet", *sys.argv[1:], "--jobs", "1"]
        others = [
            subprocess.Popen(
                [*command, "--worker", str(worker + n)],
                stdout=subprocess.DEVNULL,
                # Else Ctrl-C would reach it too, and `terminate` below end it before it saved.
                start_new_session=True,
            )
            for n in range(1, jobs)
        ]
        done = False
        try:
            work(searched, trials, worker=worker, device=device, data=data, stop=stop, say=say)
            done = not stop()
        finally:
            for other in others:
                if not done:
                    other.terminate()
                other.wait()
    if stop():
        say("stopped; the same command continues from here")
        raise typer.Exit(stop.exit_code)
    if worker:
        return  # whoever started this one writes the best config
    if any(other.returncode for other in others):
        raise RunError("a worker failed; what it said stands above")
    path, best = write_best(searched)
    if as_json:
        print_json({"trial": best.number, "errors/validation": best.value, "config": str(path)})
        return
    counted = describe_trial(searched.config(best.params), best.value)
    print_text(f"best: trial {best.number}, {counted}, with {describe_values(best.params)}")
    print_text(f"train it:  {shell('lenet', 'train', path)}")
