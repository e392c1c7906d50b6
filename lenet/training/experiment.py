"""From a config to finished runs: check, load the images, make the folders, train."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lenet.augment.catalogue import build_mixing, build_pipeline
from lenet.augment.pipeline import Pipeline
from lenet.config.load import flatten_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset, load_dataset
from lenet.data.sources import SAMPLE, DatasetMissingError
from lenet.data.splits import Splits, make_splits
from lenet.device import choose_device
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier
from lenet.runs.lock import lock
from lenet.runs.run import Run, check_name, is_run
from lenet.statistics import describe_errors, summarize
from lenet.training.boosting import load_earlier
from lenet.training.distillation import Teacher
from lenet.training.distributed import World, join
from lenet.training.environment import describe_environment
from lenet.training.train import SAMPLE_NOTICE, is_faster_together, train


@dataclass(frozen=True)
class Experiment:
    """Runs that were trained together, as far as they have come."""

    runs: list[Run]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The content of each run's ``result.json``; all are finished."""
        return [run.read_json("result.json") for run in self.runs]

    @property
    def unfinished(self) -> list[Run]:
        """The runs that were stopped before their end."""
        return [run for run in self.runs if not run.finished]

    @property
    def folder(self) -> Path:
        """The folder that holds all seeds' runs."""
        return self.runs[0].folder.parent

    def describe(self) -> str:
        """Return the error counts, where the runs lie, and how soon 99 % was reached."""
        lines, results = [], self.results
        for run, result in zip(self.runs, results, strict=True):
            counted = describe_errors(result["errors/test"], result["n/test"])
            lines.append(f"seed {run.seed}: {counted} in {run.folder}")
            reached = time_to_99(run)
            if reached is not None:
                lines.append(f"         99 % after {reached:.1f} s of training")
        if len(results) > 1:
            errors = summarize([result["errors/test"] for result in results])
            lines.append(f"test errors: {errors}")
        if results[0]["dataset"] == SAMPLE:
            lines.append(SAMPLE_NOTICE)
        return "\n".join(lines)


def check(config: Config) -> None:
    """Build what a config describes, to see that it can be built.

    Raises:
        UsageError: It cannot; the error's path says which key is to blame.
        RunError: The weights of a network that it learns from are missing or damaged.
    """
    for section, key, build in (
        (config.augment, ("augment",), build_pipeline),
        (config.mix, ("mix",), build_mixing),
        (config.data.distort, ("data", "distort"), build_pipeline),
    ):
        try:
            built = build(section)
            if isinstance(built, Pipeline):
                size = built.output_size((28, 28))
                _check_size(size, config.input.size)
                if key == ("data", "distort") and size != (28, 28):
                    raise UsageError(f"copies must be of 28×28 pixels, not {size[0]}×{size[1]}")
        except UsageError as error:
            raise UsageError(str(error), (*key, *(error.path or ()))) from error
    try:
        build_classifier(config)
    except UsageError as error:
        raise UsageError(str(error), ("model", *(error.path or ()))) from error
    Teacher.of(config, torch.device("cpu"))
    load_earlier(config, config.seed, torch.device("cpu"))


def check_last_batch(config: Config, images: int) -> None:
    """Refuse a last batch of one image where batch norm would have one value to look at.

    Args:
        config: What to train.
        images: How many training images there are.

    Raises:
        UsageError: It would.
    """
    if (config.train.images_per_epoch or images) % config.train.batch_size != 1:
        return
    try:
        build_classifier(config).model.train()(
            torch.zeros(1, 1, config.input.size, config.input.size)
        )
    except ValueError as error:
        raise UsageError(
            "the last batch of an epoch has one image, too few for batch norm: choose another size",
            ("train", "batch_size"),
        ) from error


def _check_size(size: tuple[int, int], most: int) -> None:
    """Check that augmented images fit into the network's input.

    Raises:
        UsageError: They do not.
    """
    if max(size) > most:
        raise UsageError(
            f"images come out as {size[0]}×{size[1]} pixels, more than input.size of {most}"
        )


def run_experiment(
    config: Config,
    name: str,
    *,
    seeds: int = 1,
    device: str = "auto",
    data: Path | None = None,
    root: Path = Path("runs"),
    resume: bool = False,
    overwrite: bool = False,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Experiment:
    """Train a config with one or several seeds.

    Args:
        config: What to train.
        name: The runs lie in ``root/name/seed``.
        seeds: How many, from the config's seed on.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        data: A folder to look for the dataset in first.
        root: The folder of the runs.
        resume: Go on with runs that are there; those not begun are begun.
        overwrite: Replace runs that are there.
        stop: Asked after each step whether to save and end.
        say: Takes messages.
        progress: Show a bar on standard error.

    Raises:
        UsageError: The config, the device or the name is impossible, or a run is there already or
            being trained; nothing was written.
        RunError: The data are missing or damaged, or the training failed.
    """
    with join(choose_device(device)) as world, ExitStack() as locks:
        if world.rank:
            return follow(world, data, stop)
        check(config)
        for note in build_pipeline([*config.augment, *config.data.distort]).notes:
            say(f"note: {note}")
        world.check(config)
        check_name(name)
        dataset = load_data(config, data, say)
        splits = make_splits(dataset, config, world.device)
        check_last_batch(config, len(splits.train))
        runs = []
        for seed in range(config.seed, config.seed + seeds):
            index = config.model_copy(update={"seed": seed})
            locks.enter_context(lock(root / name / str(seed)))
            runs.append(_open_or_create(name, index, root, resume, overwrite))
        new = [run for run in runs if not run.begun]
        if new:
            environment = describe_environment(world.device, dataset)
            environment["processes"] = world.size
            together = world.size == 1 and is_faster_together(config, new, splits)
            environment["together"] = [run.seed for run in new] if together else []
            if len(new) > 1:
                say(f"{len(new)} seeds {'at once' if together else 'one after another'}")
        for run in new:
            run.write_json("environment.json", environment)
        where = runs[0].folder.parent
        what = f"{name}: {config.model.kind} on {dataset.name}, {world.describe()}"
        say(f"{what}, in {where}")
        _train(config, runs, splits, world, stop, say, progress)
    return Experiment(runs)


def resume_runs(
    folders: Sequence[Path],
    *,
    device: str = "auto",
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Experiment:
    """Go on with runs that were interrupted; see `run_experiment`.

    Args:
        folders: Run folders, or folders that hold one per seed.
        device: Where to compute.
        data: A folder to look for the dataset in first.
        stop: Asked after each step whether to save and end.
        say: Takes messages.
        progress: Show a bar on standard error.

    Raises:
        UsageError: A folder holds no run, or a run is being trained.
        RunError: The data or the checkpoints are missing or damaged, or the training failed.
    """
    with join(choose_device(device)) as world, ExitStack() as locks:
        if world.rank:
            return follow(world, data, stop)
        runs = [run for folder in folders for run in _runs_in(folder)]
        for run in runs:
            locks.enter_context(lock(run.folder))
        for config, group in groupby(
            runs, key=lambda run: run.config.model_copy(update={"seed": 0})
        ):
            check(config)
            world.check(config)
            splits = make_splits(load_data(config, data, say), config, world.device)
            _train(config, list(group), splits, world, stop, say, progress)
    return Experiment(runs)


def follow(world: World, data: Path | None, stop: Callable[[], bool]) -> Experiment:
    """Train, with the first process, what it says; the folders of that are thrown away."""
    with TemporaryDirectory(prefix="lenet-") as scratch:
        while (task := world.receive(Path(scratch))) is not None:
            config, runs = task
            splits = make_splits(load_data(config, data), config, world.device)
            train(config, runs, splits, world.device, stop=world.agreeing(stop), world=world)
    return Experiment([])


def _train(
    config: Config,
    runs: Sequence[Run],
    splits: Splits,
    world: World,
    stop: Callable[[], bool],
    say: Callable[[str], None],
    progress: bool,
) -> None:
    """Train the runs of a config that are not finished, until somebody says stop."""
    pending = [run for run in runs if not run.finished]
    for run in runs:
        if run.finished:
            say(f"seed {run.seed}: finished already")
    for group in _group_as_begun(pending):
        if not stop():
            world.send(config, group)
            train(
                config,
                group,
                splits,
                world.device,
                stop=world.agreeing(stop),
                say=say,
                progress=progress,
                world=world,
            )


def _group_as_begun(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs as they began: those that began together, and each of the others alone."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        together = run.read_json("environment.json").get("together") if run.begun else None
        groups.setdefault(json.dumps(together) if together else str(run.folder), []).append(run)
    return list(groups.values())


def load_data(
    config: Config, root: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> Dataset:
    """Load a config's images, or its fallback's where they can't be had, saying so loudly."""
    try:
        return load_dataset(config.data.name, root or config.data.root)
    except DatasetMissingError as error:
        if config.data.fallback is None:
            raise
        say(f"warning: {error}")
        say(f"warning: {SAMPLE_NOTICE}")
        return load_dataset(config.data.fallback)


def time_to_99(run: Run) -> float | None:
    """Return the seconds of training after which a run had 99 % of the test images right."""
    seconds: float = 0.0
    for metrics, timing in zip(run.lines("metrics.jsonl"), run.lines("timing.jsonl"), strict=False):
        seconds += timing["seconds"]
        if metrics.get("accuracy/test", 0.0) >= 0.99:
            return round(seconds, 3)
    return None


def _open_or_create(name: str, config: Config, root: Path, resume: bool, overwrite: bool) -> Run:
    folder = root / name / str(config.seed)
    if not (resume and is_run(folder)):
        return Run.create(name, config, root, overwrite=overwrite)
    run = Run.open(folder)
    if run.config != config:
        there, here = flatten_config(run.config), flatten_config(config)
        key = next(k for k in (*there, *here) if there.get(k) != here.get(k))
        raise UsageError(
            f"{folder} was begun with {key} = {there.get(key)}, not {here.get(key)};"
            " --name NAME puts this one elsewhere"
        )
    return run


def _runs_in(folder: Path) -> list[Run]:
    """Open the run that a folder is, or those of all seeds in it.

    Raises:
        UsageError: There is none, or its config is damaged.
    """
    if is_run(folder):
        return [Run.open(folder)]
    runs = [Run.open(path.parent) for path in folder.glob("*/config.yaml")]
    if not runs:
        raise UsageError(f"{folder} holds no run: neither it nor a folder in it has a config.yaml")
    return sorted(runs, key=lambda run: run.seed)
