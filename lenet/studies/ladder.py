"""From 1998 to today one change at a time: a config for each step, and the errors after it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenet.config.load import load_config
from lenet.errors import RunError
from lenet.evaluation.evaluate_runs import ask_runs
from lenet.runs.files import write_atomically
from lenet.runs.find import PLACES, find_runs
from lenet.statistics import summarize
from lenet.studies.records import ENSEMBLE
from lenet.training.experiment import run_experiment

STEPS = {
    "0 the paper": "paper/lenet5",
    "1 SGD in batches, 4 epochs": "ladder/1-optimizer",
    "2 cross-entropy": "ladder/2-loss",
    "3 ReLU": "ladder/3-activation",
    "4 max-pooling": "ladder/4-pooling",
    "5 batch norm": "ladder/5-normalisation",
    "6 averaged weights": "modern/plain",
    "7 augmentation, 20 epochs": "modern/lenet5",
}
"""What changed in each step, and the config of it, from 1998 to today."""


@dataclass(frozen=True)
class Step:
    """What the runs of one config came to."""

    name: str
    """What changed: a key of `STEPS`, or the ensemble that ends the ladder."""
    errors: list[int]
    """Test errors of each seed."""


def train_steps(
    seeds: int,
    root: Path,
    *,
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> bool:
    """Train every step until it has `seeds` finished runs in `root`; what is finished stays.

    At the end the last step's seeds are asked together.

    Args:
        seeds: Runs per step, from seed 0 on.
        root: The folder of the runs.
        data: A folder to look for the dataset in first.
        stop: Asked after each update whether to save and end.
        say: Takes progress messages.

    Returns:
        Whether all was trained; False when stopped before.

    Raises:
        RunError: The data are missing or a training failed.
    """
    for name in STEPS.values():
        config = load_config(name).config
        done = run_experiment(
            config, name, seeds=seeds, data=data, root=root, resume=True, stop=stop, say=say
        )
        if done.unfinished:
            return False
    if seeds > 1:
        last = root / name
        together = ask_runs([str(last)], "test", data=data).as_dict()
        write_atomically(last / ENSEMBLE, (json.dumps(together, indent=2) + "\n").encode())
    return True


def measure_steps(root: Path, published: Sequence[Path] = PLACES) -> list[Step]:
    """Collect the steps' finished runs from `root` or, where it has none, the published ones.

    The ensemble of the last step's seeds follows where ``ensemble.json`` lies beside them.

    Raises:
        RunError: No step has a finished run.
    """
    collected = []
    for name, config in STEPS.items():
        # Published experiments of today lie at the top, for short names.
        short = config.removeprefix("modern/")
        for folder in (root / config, *(place / short for place in published)):
            runs = [run for run in find_runs(folder) if run.finished]
            if runs:
                errors = [run.read_json("result.json")["errors/test"] for run in runs]
                collected.append(Step(name, errors))
                if config == [*STEPS.values()][-1] and (folder / ENSEMBLE).is_file():
                    together = json.loads((folder / ENSEMBLE).read_text(encoding="utf-8"))
                    collected.append(Step(f"{len(STEPS)} ensemble", [together["errors"]]))
                break
    if not collected:
        raise RunError(f"{root} has no finished run of any step")
    return collected


def table(measured: Sequence[Step]) -> str:
    """Return the steps as a Markdown table, each with the change to the step before."""
    lines = ["| step | test errors | seeds | change |", "|---|---:|---:|---:|"]
    before: float | None = None
    for step in measured:
        errors = summarize(step.errors)
        change = "" if before is None else f"{errors.mean - before:+.1f}"
        lines.append(f"| {step.name} | {errors:.1f} | {errors.n} | {change} |")
        before = errors.mean
    return "\n".join(lines)
