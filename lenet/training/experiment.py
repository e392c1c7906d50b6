"""From a config to finished runs: build, load the images, make the folders, train."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lenet.config.load import flatten_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset, load_dataset
from lenet.data.own import complete, is_complete, load_images
from lenet.data.sources import FILES, SAMPLE, SAMPLE_NOTICE, DatasetMissingError
from lenet.data.splits import Splits, make_splits
from lenet.device import choose_device
from lenet.errors import UsageError
from lenet.runs.find import open_runs
from lenet.runs.lock import lock
from lenet.runs.published import PublishedRun
from lenet.runs.run import Run, check_name, is_run
from lenet.statistics import describe_errors, describe_mean_errors, summarize
from lenet.training.build import (
    Components,
    build,
    check_images,
    is_faster_together,
)
from lenet.training.distributed import World, join
from lenet.training.environment import check_origin, describe_environment
from lenet.training.fused import choose_kernels, compile_kernels
from lenet.training.train import train

MOST_SEED = 2**63 - 1


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
            lines.append(f"mean: {describe_mean_errors(errors, results[0]['n/test'])}")
        if results[0]["dataset"] == SAMPLE:
            lines.append(SAMPLE_NOTICE)
        return "\n".join(lines)


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
        resume: Continue runs that are there; those not begun are begun.
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
        chosen = range(config.seed, config.seed + seeds)
        if chosen[-1] > MOST_SEED:
            raise UsageError(f"{chosen[-1]} is no seed: the largest is {MOST_SEED}", ("seed",))
        dataset = None
        if not is_complete(config):
            dataset = load_data(config, data, say, progress)
            config = complete(config, dataset)
        components = build(config, chosen, world.device)
        for pipeline in filter(None, (components.augment, components.distort)):
            for note in pipeline.notes:
                say(f"note: {note}")
        world.check(config, components.augment)
        for start in components.starts.values():
            say(start.describe())
        check_name(name)
        dataset = dataset or load_data(config, data, say, progress)
        splits = make_splits(dataset, config, world.device, components.distort)
        check_images(components, splits)
        runs = []
        for seed in chosen:
            own = config.model_copy(update={"seed": seed})
            locks.enter_context(lock(root / name / str(seed)))
            runs.append(_open_or_create(name, own, root, resume, overwrite))
        _check_origins(runs, dataset, components)
        begin_runs(runs, components, dataset, splits, world, say)
        where = runs[0].folder.parent
        what = f"{name}: {config.model.kind} on {dataset.name}, {world.describe()}"
        if config.data.name == FILES:
            say(splits.describe())
        say(f"{what}, in {where}")
        _train(components, runs, splits, world, stop, say, progress)
    return Experiment(runs)


def check_experiment(
    config: Config, say: Callable[[str], None] = lambda line: None, progress: bool = False
) -> None:
    """Check a config as `run_experiment` does before it begins.

    Of images, only the user's own are read: what a dataset with a name holds is known.

    Args:
        config: What would be trained, with its seed.
        say: Takes messages.
        progress: Show a bar on standard error.

    Raises:
        UsageError: The config is impossible.
        RunError: The user's own files are missing or damaged, or a network to learn from is.
    """
    own = load_data(config, None, say, progress) if config.data.name == FILES else None
    config = complete(config, own) if own else config
    components = build(config, [config.seed])
    if own:
        splits = make_splits(own, config, components.device, components.distort)
        check_images(components, splits)
        say(splits.describe())


def describe_images(
    config: Config, say: Callable[[str], None] = lambda line: None, progress: bool = False
) -> Config:
    """Return a config whose network can be built: the user's own images are read if they must be.

    Args:
        config: Any.
        say: Takes messages.
        progress: Show a bar on standard error.

    Raises:
        RunError: The user's own files are missing or damaged.
    """
    if config.data.name != FILES or is_complete(config):
        return config
    return complete(config, load_data(config, None, say, progress))


def begin_runs(
    runs: Sequence[Run],
    components: Components,
    dataset: Dataset,
    splits: Splits,
    world: World,
    say: Callable[[str], None],
) -> None:
    """Decide how runs that have not begun are trained, and write down what they are made with.

    Args:
        runs: The seeds of a config.
        components: What it was built into.
        dataset: The images, as they were loaded.
        splits: What is learned from, and judged by.
        world: Who trains.
        say: Takes messages.

    Raises:
        UsageError: The config asks for kernels that cannot train it.
        RunError: A file cannot be written.
    """
    new = [run for run in runs if not run.begun]
    if not new:
        return
    config, fresh = components.config, [run.seed for run in new]
    kernels = choose_kernels(config, world.device, world.size, say)
    if kernels == "fast":
        compile_kernels(config, say)
    together = world.size == 1 and is_faster_together(components, fresh, splits.train, kernels)
    if len(new) > 1:
        say(f"{len(new)} seeds {'at once' if together else 'one after another'}")
    for run in new:
        environment = describe_environment(world.device, dataset, components.checksums(run.seed))
        environment["processes"] = world.size
        environment["kernels"] = kernels
        if run.seed in components.starts:
            environment["from"] = asdict(components.starts[run.seed])
        environment["together"] = fresh if together else []
        run.write_json("environment.json", environment)


def resume_runs(
    folders: Sequence[Path],
    *,
    device: str = "auto",
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Experiment:
    """Continue runs that were interrupted; see `run_experiment`.

    Args:
        folders: Run folders, or folders that hold one per seed.
        device: Where to compute.
        data: A folder to look for the dataset in first.
        stop: Asked after each step whether to save and end.
        say: Takes messages.
        progress: Show a bar on standard error.

    Raises:
        UsageError: A folder holds no run, or one that is published or being trained.
        RunError: The data or the checkpoints are missing or damaged, or the training failed.
    """
    with join(choose_device(device)) as world, ExitStack() as locks:
        if world.rank:
            return follow(world, data, stop)
        runs = [run for folder in folders for run in open_runs(str(folder), unfinished=True)]
        for run in runs:
            if isinstance(run, PublishedRun):
                raise UsageError(f"{run.folder} is published: it is finished")
            locks.enter_context(lock(run.folder))
        for config, same in groupby(
            runs, key=lambda run: run.config.model_copy(update={"seed": 0})
        ):
            group = list(same)
            components = build(config, [run.seed for run in group], world.device)
            world.check(config, components.augment)
            dataset = load_data(config, data, say, progress)
            _check_origins(group, dataset, components)
            splits = make_splits(dataset, config, world.device, components.distort)
            begin_runs(group, components, dataset, splits, world, say)
            _train(components, group, splits, world, stop, say, progress)
    return Experiment(runs)


def follow(world: World, data: Path | None, stop: Callable[[], bool]) -> Experiment:
    """Train, with the first process, what it says; the folders of that are thrown away."""
    with TemporaryDirectory(prefix="lenet-") as scratch:
        while (task := world.receive(Path(scratch))) is not None:
            config, runs = task
            components = build(config, [run.seed for run in runs], world.device)
            dataset = load_data(config, data)
            splits = make_splits(dataset, config, world.device, components.distort)
            train(
                config,
                runs,
                splits,
                world.device,
                stop=world.agreeing(stop),
                world=world,
                components=components,
            )
    return Experiment([])


def _check_origins(runs: Sequence[Run], dataset: Dataset, components: Components) -> None:
    """Refuse to continue unfinished runs on other images or teachers; see `check_origin`."""
    for run in runs:
        if not run.finished:
            check_origin(run, dataset, components.checksums(run.seed))


def _train(
    components: Components,
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
            world.send(components.config, group)
            train(
                components.config,
                group,
                splits,
                world.device,
                stop=world.agreeing(stop),
                say=say,
                progress=progress,
                world=world,
                components=components,
            )


def _group_as_begun(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs as they began: those that began together, and each of the others alone."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        together = run.read_json("environment.json").get("together") if run.begun else None
        groups.setdefault(json.dumps(together) if together else str(run.folder), []).append(run)
    return list(groups.values())


def load_data(
    config: Config,
    root: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Dataset:
    """Load a config's images; if they are not available, warn and load its fallback's."""
    own = config.data.name == FILES
    say(f"loading {(root or config.data.path) if own else config.data.name} …")
    try:
        return load_images(config.data, root, say, progress)
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
