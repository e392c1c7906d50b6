"""All runs below a folder, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from lenet.errors import UsageError
from lenet.runs.find import find_runs
from lenet.runs.run import Run
from lenet.statistics import summarize


@dataclass(frozen=True)
class Row:
    """One run in a line."""

    experiment: str
    seed: int
    state: str
    epochs: int
    errors: dict[str, int]
    """Errors by split, of the result or, while training, of the last epoch."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return self.__dict__


SORTINGS = {
    "name": lambda row: (row.experiment, row.seed),
    "errors": lambda row: (row.errors.get("test", 10**9), row.experiment, row.seed),
    "epochs": lambda row: (row.epochs, row.experiment, row.seed),
}


def list_runs(root: Path, sort: str = "name") -> list[Row]:
    """Return a row for each run below a folder.

    Raises:
        UsageError: The folder does not exist, or `sort` is no key of `SORTINGS`.
    """
    runs = find_runs(root)
    if not runs and not root.is_dir():
        raise UsageError(f"{root} is no folder")
    if sort not in SORTINGS:
        raise UsageError(f"--sort is one of {', '.join(SORTINGS)}, not {sort!r}")
    return sorted((_row(run, root) for run in runs), key=SORTINGS[sort])


def table(rows: Sequence[Row]) -> str:
    """Return rows as text; several seeds of an experiment are summed up below them."""
    if not rows:
        return "no runs"
    width = max(len(row.experiment) for row in rows)
    lines = [f"{'experiment':<{width}}  seed  state       epochs  train  validation  test  minutes"]
    for row in rows:
        train, validation, test = (
            row.errors.get(split, "–") for split in ("train", "validation", "test")
        )
        lines.append(
            f"{row.experiment:<{width}}  {row.seed:>4}  {row.state:<10}  {row.epochs:>6}"
            f"  {train:>5}  {validation:>10}  {test:>4}  {row.seconds / 60:>7.1f}"
        )
    finished = sorted((r for r in rows if r.state == "finished"), key=lambda r: r.experiment)
    for experiment, group in groupby(finished, key=lambda row: row.experiment):
        errors = [row.errors["test"] for row in group]
        if len(errors) > 1:
            lines.append(f"{experiment}: test errors {summarize(errors)}")
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return finished runs as a Markdown table, one line per experiment over its seeds."""
    lines = [
        "| experiment | validation errors | test errors | seeds | epochs | minutes a seed |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    finished = sorted((r for r in rows if r.state == "finished"), key=lambda r: r.experiment)
    for experiment, group in groupby(finished, key=lambda row: row.experiment):
        runs = list(group)
        validation, test = (_mean(runs, split) for split in ("validation", "test"))
        minutes = summarize([run.seconds / 60 for run in runs])
        lines.append(
            f"| {experiment} | {validation} | {test} | {len(runs)} | {runs[0].epochs}"
            f" | {minutes.mean:.1f} |"
        )
    return "\n".join(lines)


def _mean(runs: Sequence[Row], split: str) -> str:
    """Return the mean ± sd of the errors on a split, or a dash where no image was held out."""
    if not all(split in run.errors for run in runs):
        return "–"
    return f"{summarize([run.errors[split] for run in runs]):.1f}"


def _row(run: Run, root: Path) -> Row:
    metrics = run.lines("metrics.jsonl")
    source = run.read_json("result.json") if run.finished else (metrics[-1] if metrics else {})
    splits = ("train", "validation", "test")
    experiment = run.folder.parent
    if experiment != root and experiment.is_relative_to(root):
        experiment = experiment.relative_to(root)
    else:
        experiment = Path(experiment.name)
    return Row(
        experiment=experiment.as_posix(),
        seed=run.seed,
        state="finished" if run.finished else "unfinished",
        epochs=len(metrics),
        errors={p: source[f"errors/{p}"] for p in splits if f"errors/{p}" in source},
        seconds=sum(line["seconds"] for line in run.lines("timing.jsonl")),
    )
