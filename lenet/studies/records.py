"""The record table: what was to be reached on MNIST's test images, and what the runs reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lenet.runs.find import find_runs
from lenet.runs.run import Run
from lenet.statistics import summarize

ENSEMBLE = "ensemble.json"
"""Beside the seeds' folders: what ``lenet evaluate FOLDER --ensemble --json`` printed."""


@dataclass(frozen=True)
class Record:
    """A line of the table.

    Attributes:
        what: What is trained, in a few words.
        experiment: The folder of the runs, below ``runs/published``.
        reach: Test errors of 10,000 to be reached; None: whatever comes out.
        ensemble: Whether all seeds are asked together, not one by one.
    """

    what: str
    experiment: str
    reach: int | None
    ensemble: bool = False


RECORDS = (
    Record("LeNet-5 of 1998, by the paper's rule", "paper/lenet5", 95),
    Record("the same with distortions", "paper/lenet5-distorted", 82),
    Record("LeNet-5's shape today, two epochs", "speedrun", 100),
    Record("the same, no augmentation", "plain", 70),
    Record("the same, 61,706 weights, any training", "lenet5", 38),
    Record("ensemble of these LeNet-5s", "lenet5", 25, ensemble=True),
    Record("LeNet-5 for digits sheared upright", "upright", None),
    Record("LeNet-5s taught by the compact network below", "distilled", None),
    Record("ensemble of these", "distilled", None, ensemble=True),
    Record("another network of at most 60,000 weights", "compact", 28),
    Record("ensemble of these", "compact", 20, ensemble=True),
    Record("Cireşan's perceptron 1000-500, deformations", "ciresan", 49),
    Record("the lecture's perceptron, 24,864,180 weights", "perceptron", None),
)


def markdown(root: Path, records: Sequence[Record] = RECORDS) -> str:
    """Return the table as Markdown, from run folders alone; what has no runs has a dash.

    Args:
        root: The folder of the experiments, ``runs/published``.
        records: The table's lines.
    """
    lines = [
        "| what | to reach | test errors of 10,000 | of | epochs | minutes each |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for record in records:
        folder = root / record.experiment
        runs = [run for run in find_runs(folder) if run.finished] if folder.is_dir() else []
        measured = bool(runs) and (not record.ensemble or (folder / ENSEMBLE).is_file())
        cells = _measured(runs, folder, record.ensemble) if measured else ["–"] * 4
        reach = "" if record.reach is None else f"≤ {record.reach}"
        lines.append(f"| {' | '.join([record.what, reach, *cells])} |")
    return "\n".join(lines)


def _measured(runs: Sequence[Run], folder: Path, ensemble: bool) -> list[str]:
    """Return errors, how many networks, epochs, and minutes of training of one."""
    minutes = summarize([sum(t["seconds"] for t in r.lines("timing.jsonl")) / 60 for r in runs])
    errors = summarize([run.read_json("result.json")["errors/test"] for run in runs])
    counted, of = f"{errors:.1f}", f"{errors.n} seed{'s' * (errors.n > 1)}"
    if ensemble:
        asked = Run(folder, runs[0].config).read_json(ENSEMBLE)
        counted, of = str(asked["errors"]), f"{len(asked['runs'])} together"
    return [counted, of, str(runs[0].config.train.epochs), f"{minutes.mean:.1f}"]
