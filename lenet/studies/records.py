"""The record table: what was to be reached on MNIST's test images, and what the runs reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lenet.runs.find import find_runs
from lenet.runs.run import Run
from lenet.statistics import summarize

COMMITTEE = "committee.json"
"""Beside the seeds' folders: what ``lenet evaluate FOLDER --committee --json`` printed."""


@dataclass(frozen=True)
class Record:
    """A line of the table.

    Attributes:
        what: What is trained, in a few words.
        experiment: The folder of the runs, below ``runs/published``.
        reach: Test errors of 10,000 to be reached; None: whatever comes out.
        committee: Whether all seeds are asked together, not one by one.
    """

    what: str
    experiment: str
    reach: int | None
    committee: bool = False


RECORDS = (
    Record("LeNet-5 of 1998, by the paper's rule", "paper/lenet5", 95),
    Record("the same with distortions", "paper/lenet5-distorted", 82),
    Record("LeNet-5's shape today, two passes", "speedrun", 100),
    Record("the same, no augmentation", "plain", 70),
    Record("the same, 61,706 weights, any training", "lenet5", 38),
    Record("committee of these LeNet-5s", "lenet5", 25, committee=True),
    Record("LeNet-5 for digits sheared upright", "upright", None),
    Record("LeNet-5s taught by the compact network below", "distilled", None),
    Record("committee of these", "distilled", None, committee=True),
    Record("another network of at most 60,000 weights", "compact", 28),
    Record("committee of these", "compact", 20, committee=True),
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
        "| what | to reach | test errors of 10,000 | of | passes | minutes each |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for record in records:
        folder = root / record.experiment
        runs = [run for run in find_runs(folder) if run.finished] if folder.is_dir() else []
        measured = bool(runs) and (not record.committee or (folder / COMMITTEE).is_file())
        cells = _measured(runs, folder, record.committee) if measured else ["–"] * 4
        reach = "" if record.reach is None else f"≤ {record.reach}"
        lines.append(f"| {' | '.join([record.what, reach, *cells])} |")
    return "\n".join(lines)


def _measured(runs: Sequence[Run], folder: Path, committee: bool) -> list[str]:
    """Return errors, how many networks, passes, and minutes of training of one."""
    minutes = summarize([sum(t["seconds"] for t in r.lines("timing.jsonl")) / 60 for r in runs])
    errors = summarize([run.read_json("result.json")["errors/test"] for run in runs])
    counted, of = f"{errors:.1f}", f"{errors.n} seed{'s' * (errors.n > 1)}"
    if committee:
        asked = Run(folder, runs[0].config).read_json(COMMITTEE)
        counted, of = str(asked["errors"]), f"{len(asked['members'])} together"
    return [counted, of, str(runs[0].config.train.passes), f"{minutes.mean:.1f}"]
