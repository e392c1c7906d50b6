"""Publishing: the seeds of an experiment, checked, as the few files of `lenet.runs.published`."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lenet.config.load import dump_config, flatten_config
from lenet.config.schema import Config
from lenet.data.sources import describe_dataset
from lenet.errors import RunError, UsageError, shell
from lenet.models import build_model
from lenet.runs.files import write_atomically, write_tensors
from lenet.runs.find import find_runs, open_runs
from lenet.runs.published import ENVIRONMENT, RESULTS
from lenet.runs.run import TIMING, Run, check_name, is_published

FILES = ("config.yaml", "environment.json", "results.jsonl", "metrics.csv", "weights.safetensors")


def publish(
    names: Sequence[str],
    to: Path,
    name: str | None = None,
    *,
    weights: bool = True,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Publish the seeds of an experiment, and bring the table of all results up to date.

    Args:
        names: Runs, or folders of several seeds.
        to: The folder of the published experiments.
        name: The experiment's name there; None: that of the runs' folder.
        weights: Whether the weights are published.
        overwrite: Whether an experiment of this name is replaced.
        say: Takes messages.

    Returns:
        The experiment's folder.

    Raises:
        UsageError: There is no such run, the runs are not fit to be published (see
            `check_publishable`), or the name is taken.
        RunError: A run's file is missing or damaged, or a file cannot be written.
    """
    runs = sorted((r for word in names for r in open_runs(word, unfinished=True)), key=_seed)
    check_publishable(runs)
    name = name or runs[0].folder.absolute().parent.name
    check_name(name)
    folder = to / name
    if is_published(folder) and not overwrite:
        raise UsageError(f"{folder} is published already; --overwrite replaces it")
    if folder.exists() and not is_published(folder):
        raise UsageError(f"{folder} exists and is no published experiment; choose another --name")
    had_ensemble = (folder / "ensemble.json").exists()
    write_experiment(folder, runs, weights=weights)
    if had_ensemble:
        say(
            "ensemble.json belonged to the old weights and is gone;"
            f" `{shell('lenet', 'evaluate', folder)} --ensemble --json` counts again"
        )
    write_results(to)
    return folder


def check_publishable(runs: Sequence[Run]) -> None:
    """Refuse runs that nobody could repeat, or that are not the seeds of one experiment.

    Args:
        runs: At least one.

    Raises:
        UsageError: A run is unfinished, comes from an unknown or a changed commit, or has learned
            from networks whose checksums it does not record; a seed is there twice, the configs
            differ in more than the seed, or the images differ.
        RunError: An ``environment.json`` is damaged.
    """
    for run in runs:
        if not run.finished:
            command = shell("lenet", "resume", run.folder)
            raise UsageError(f"{run.folder} is unfinished; `{command}` continues it")
        environment = run.read_json("environment.json")
        commit = environment.get("commit")
        if not commit:
            raise UsageError(f"{run.folder} comes from an unknown commit: train it in a git clone")
        if commit.endswith("+"):
            raise UsageError(
                f"{run.folder} comes from a changed copy of commit {commit[:7]}:"
                " commit the changes and train it again"
            )
        for key in _learns_from(run.config):
            if not environment.get("sha256", {}).get(key):
                raise UsageError(
                    f"{run.folder} has learned from the networks of {key}, but its environment.json"
                    " does not hold their checksums"
                )
    first, *others = runs
    for run in others:
        if run.seed == first.seed:
            raise UsageError(f"{first.folder} and {run.folder} have the same seed, {run.seed}")
        here, there = flatten_config(first.config), flatten_config(run.config)
        for key in dict.fromkeys((*here, *there)):
            if key != "seed" and here.get(key) != there.get(key):
                raise UsageError(
                    f"{first.folder} and {run.folder} are of two experiments:"
                    f" {key} is {here.get(key)} and {there.get(key)}"
                )
        ours, theirs = (r.read_json("environment.json") for r in (first, run))
        for key in ("dataset", "images", "md5"):
            if ours.get(key) != theirs.get(key):
                raise UsageError(
                    f"{first.folder} and {run.folder} learned from other images: {key} is"
                    f" {ours.get(key)} and {theirs.get(key)}"
                )


def write_experiment(folder: Path, runs: Sequence[Run], *, weights: bool) -> None:
    """Write the seeds of an experiment as the files above, in place of those that are there.

    Args:
        folder: Is made if need be.
        runs: Finished runs, whose configs differ in the seed alone.
        weights: Whether to write the weights.

    Raises:
        RunError: A run's file is missing or damaged, or a file cannot be written.
    """
    environments = [run.read_json("environment.json") for run in runs]
    common = {
        key: value
        for key, value in environments[0].items()
        if all(key in other and other[key] == value for other in environments)
    }
    results = []
    for run, environment in zip(runs, environments, strict=True):
        own = {key: value for key, value in environment.items() if key not in common}
        results.append(run.read_json("result.json") | ({ENVIRONMENT: own} if own else {}))
    files = {
        "config.yaml": dump_config(runs[0].config),
        "environment.json": json.dumps(common, indent=2, ensure_ascii=False) + "\n",
        "metrics.csv": _metrics_table(runs),
        "results.jsonl": "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in results),
    }
    tensors = {
        f"{run.seed}/{name}": tensor
        for run in runs
        if weights
        for name, tensor in run.load_weights().items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # An ensemble of other weights says nothing of these.
        for stale in (folder / file for file in (*FILES, "ensemble.json")):
            stale.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}") from error
    if tensors:
        write_tensors(folder / "weights.safetensors", tensors)
    for file, text in files.items():  # results.jsonl last: with it the folder is a publication
        write_atomically(folder / file, text.encode())


def _metrics_table(runs: Sequence[Run]) -> str:
    """Return metrics and timing of all seeds as CSV; what an epoch was not measured by is empty."""
    rows: list[dict[str, Any]] = []
    for run in runs:
        by_epoch: dict[int, dict[str, Any]] = {}
        for line in (*run.lines("metrics.jsonl"), *run.lines("timing.jsonl")):
            by_epoch.setdefault(line["epoch"], {"seed": run.seed}).update(line)
        rows += by_epoch.values()
    metrics = dict.fromkeys(key for row in rows for key in row if key not in TIMING)
    return _as_csv([*metrics, *TIMING], rows)


def write_results(root: Path) -> None:
    """Write ``results.csv`` anew, from the experiments below a folder.

    Raises:
        RunError: A published file is damaged, or the table cannot be written.
    """
    write_atomically(root / RESULTS, results_table(root).encode())


def results_table(root: Path) -> str:
    """Return a line for every published run below a folder, as CSV."""
    rows: list[dict[str, Any]] = []
    parameters: dict[Path, int] = {}
    for run in find_runs(root, strict=True):
        folder = run.folder.parent
        if not is_published(folder):
            continue
        if folder not in parameters:
            parameters[folder] = _count_parameters(run.config)
        result = run.read_json("result.json")
        rows.append(
            {
                "experiment": folder.relative_to(root).as_posix(),
                "seed": run.seed,
                "dataset": result["dataset"],
                "parameters": parameters[folder],
                "epochs": result["epochs"],
                "errors/test": result.get("errors/test"),
                "n/test": result.get("n/test"),
                "accuracy/test": _accuracy(result, "test"),
                "errors/validation": result.get("errors/validation"),
                "accuracy/validation": _accuracy(result, "validation"),
                "seconds": round(sum(line["seconds"] for line in run.lines("timing.jsonl")), 1),
                "commit": run.read_json("environment.json").get("commit"),
            }
        )
    return _as_csv(rows[0] if rows else [], rows)


def _accuracy(result: dict[str, Any], split: str) -> float | None:
    """Return the share of a split's images that were classified correctly, if it was counted."""
    n = result.get(f"n/{split}")
    return round(1 - result[f"errors/{split}"] / n, 6) if n else None


def _seed(run: Run) -> int:
    return run.seed


def _learns_from(config: Config) -> list[str]:
    """Return the keys by which a config names the networks that it learns from."""
    named = {
        "train.from": config.train.from_ is not None,
        "distil.teacher": config.distil is not None,
        "data.boosting.earlier": config.data.boosting is not None,
    }
    return [key for key, is_named in named.items() if is_named]


def _count_parameters(config: Config) -> int:
    """Return how many trainable numbers a config's network has."""
    data = describe_dataset(config.data)
    model = build_model(
        config.model.kind,
        config.input.size,
        in_channels=data.channels,
        classes=len(data.classes),
        **config.model.options(),
    )
    return sum(parameter.numel() for parameter in model.parameters())


def _as_csv(columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as CSV, floats by `repr`: the shortest text that reads back equal."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
