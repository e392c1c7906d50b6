"""All runs below a folder, as a table; read without their configs, which would take most time."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenet.errors import RunError, UsageError
from lenet.runs.lock import is_locked
from lenet.runs.published import RESULTS, read_metrics, read_results
from lenet.runs.run import check_epochs, is_published, is_run, read_json_lines, read_record
from lenet.statistics import describe_accuracy, describe_mean, describe_mean_errors, summarize
from lenet.tables import BEST, WRONG, Table

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Row:
    """One run in a line."""

    experiment: str
    seed: int
    state: str
    """finished, running, unfinished or damaged."""
    epochs: int = 0
    dataset: str = ""
    """Empty before the run has begun."""
    errors: dict[str, int] = field(default_factory=dict)
    """Errors by split, of the result or, while training, of the last epoch."""
    images: int = 0
    """Test images; 0 as long as they were not counted."""
    seconds: float = 0.0
    fault: str = ""
    """What is wrong with a damaged run."""

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return self.__dict__

    @property
    def error_rate(self) -> float:
        """Share of the test images, 0 to 1; infinite where none were counted."""
        return self.errors["test"] / self.images if self.images else float("inf")


SORTINGS = {
    "name": lambda row: (row.experiment, row.seed),
    "errors": lambda row: (row.dataset or "~", row.error_rate, row.experiment, row.seed),
    "epochs": lambda row: (row.epochs, row.experiment, row.seed),
}


def list_runs(root: Path, sort: str = "name") -> list[Row]:
    """Return a row for each run below a folder.

    Published runs are among them only if `root` is their folder or lies in it.

    Args:
        root: A run, an experiment, or any folder.
        sort: A key of `SORTINGS`; by errors, every dataset for itself.

    Raises:
        UsageError: The folder does not exist, or `sort` is unknown.
    """
    if sort not in SORTINGS:
        raise UsageError(f"--sort is one of {', '.join(SORTINGS)}, not {sort!r}")
    if root.name.isdecimal() and is_published(root.parent):
        rows = [row for row in _published_rows(root.parent, root) if row.seed == int(root.name)]
    elif not root.is_dir():
        raise UsageError(f"{root} is no folder")
    else:
        rows = [row for folder in find_folders(root) for row in _rows(folder, root)]
    return sorted(rows, key=SORTINGS[sort])


def find_folders(root: Path) -> Iterator[Path]:
    """Yield the folders below one, itself included, that hold runs or published experiments.

    What lies in a run is its own, and collections of published experiments are for themselves.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            if is_run(folder) or is_published(folder):
                yield folder
                continue
            with os.scandir(folder) as entries:
                below = [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:  # not ours to read
            continue
        waiting += [each for each in below if not _holds(each, RESULTS)]


def _holds(folder: Path, name: str) -> bool:
    """Say whether a folder holds a file, as far as one may look into it."""
    try:
        return (folder / name).is_file()
    except OSError:
        return False


def table(rows: Sequence[Row]) -> Table:
    """Return rows as a table; several seeds of an experiment are summed up below it."""
    headings = ("experiment", "seed", "state", "epochs", "dataset", "train", "validation", "test",
                "accuracy", "minutes")  # fmt: skip
    lines = []
    for row in rows:
        train, validation = (
            f"{row.errors[split]:,}" if split in row.errors else "–"
            for split in ("train", "validation")
        )
        test = accuracy = "–"
        if row.images:
            test = f"{row.errors['test']:,} / {row.images:,}"
            accuracy = describe_accuracy(row.errors["test"], row.images)
        lines.append((row.experiment, str(row.seed), row.state, str(row.epochs), row.dataset or "–",
                      train, validation, test, accuracy, f"{row.seconds / 60:.1f}"))  # fmt: skip
    notes = []
    for experiment, runs in _finished(rows).items():
        if len(runs) > 1:
            errors = summarize([row.errors["test"] for row in runs])
            notes.append(f"{experiment}: test: {describe_mean_errors(errors, runs[0].images)}")
    notes += [row.fault for row in rows if row.fault]
    styles: dict[int | tuple[int, int], str] = {
        number: WRONG for number, row in enumerate(rows) if row.state == "damaged"
    }
    finished = {n: row for n, row in enumerate(rows) if row.state == "finished"}
    if len({row.dataset for row in finished.values()}) == 1 < len(finished):
        styles[min(finished, key=lambda n: finished[n].error_rate)] = BEST
    return Table(
        headings, lines, frozenset({0, 2, 4}), optional=(5, 4, 9, 3), styles=styles, notes=notes
    )


def summary(rows: Sequence[Row]) -> Table:
    """Return finished runs as a table, one line per experiment over its seeds."""
    headings = ("experiment", "validation errors", "test errors", "accuracy", "seeds", "epochs",
                "minutes a seed")  # fmt: skip
    lines = []
    for experiment, runs in _finished(rows).items():
        validation, test = (_mean(runs, split) for split in ("validation", "test"))
        minutes = summarize([run.seconds / 60 for run in runs]).mean
        seeds, epochs = str(len(runs)), str(runs[0].epochs)
        accuracy = describe_accuracy(
            sum(run.errors["test"] for run in runs), sum(run.images for run in runs)
        )
        lines.append((experiment, validation, test, accuracy, seeds, epochs, f"{minutes:.1f}"))
    return Table(headings, lines)


def _finished(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the finished runs by experiment, in the order of each one's first run."""
    finished: dict[str, list[Row]] = {}
    for row in rows:
        if row.state == "finished":
            finished.setdefault(row.experiment, []).append(row)
    return finished


def _mean(runs: Sequence[Row], split: str) -> str:
    """Return the mean ± sd of the errors on a split, or a dash if it has no images."""
    if not all(split in run.errors for run in runs):
        return "–"
    return describe_mean(summarize([run.errors[split] for run in runs]))


def _rows(folder: Path, root: Path) -> list[Row]:
    """Return the rows of a run, or of a published experiment; damage is no error."""
    try:
        return _published_rows(folder, root) if is_published(folder) else [_row(folder, root)]
    except RunError as error:
        seed = int(folder.name) if folder.name.isdecimal() else 0
        return [Row(_name(folder.parent, root), seed, "damaged", fault=str(error))]


def _row(folder: Path, root: Path) -> Row:
    metrics = _lines(folder / "metrics.jsonl")
    seconds = sum(line["seconds"] for line in _lines(folder / "timing.jsonl"))
    begun = folder / "environment.json"
    environment = read_record(begun) if begun.is_file() else {}
    finished = (folder / "result.json").is_file()
    state = "finished" if finished else "running" if is_locked(folder) else "unfinished"
    source = read_record(folder / "result.json") if finished else metrics[-1] if metrics else {}
    images = environment.get("images", {}).get("test", 0)
    if finished:
        images, _ = source["n/test"], source["errors/test"]  # a result says at least these
    return Row(
        experiment=_name(folder.parent, root),
        seed=int(folder.name) if folder.name.isdecimal() else 0,
        state=state,
        epochs=len(metrics),
        dataset=source.get("dataset", environment.get("dataset", "")),
        errors=_errors(source),
        images=images if "errors/test" in source else 0,
        seconds=seconds,
    )


def _published_rows(folder: Path, root: Path) -> list[Row]:
    if root.is_relative_to(folder):
        root = folder
    results = read_results(folder)
    metrics = read_metrics(folder, results)
    return [
        Row(
            experiment=_name(folder, root),
            seed=seed,
            state="finished",
            epochs=len(metrics[seed]),
            dataset=result["dataset"],
            errors=_errors(result),
            images=result["n/test"],
            seconds=sum(line.get("seconds", 0.0) for line in metrics[seed]),
        )
        for seed, result in results.items()
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    return check_epochs(read_json_lines(path), path) if path.is_file() else []


def _errors(source: Mapping[str, Any]) -> dict[str, int]:
    return {s: int(source[f"errors/{s}"]) for s in SPLITS if f"errors/{s}" in source}


def _name(experiment: Path, root: Path) -> str:
    """Return an experiment's name: its path below `root`, or its own where `root` is not above."""
    if experiment != root and experiment.is_relative_to(root):
        return experiment.relative_to(root).as_posix()
    return experiment.name
