"""From 1998 to today one change at a time: a config for each step, and the errors after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenet import configfile
from lenet.errors import RunError
from lenet.experiment import ask_runs, run_experiment
from lenet.runs import Run, find_runs
from lenet.statistics import summarize

FOLDER = "ladder"
"""Where the steps' configs lie below ``configs/``, and their runs below ``runs/``."""


@dataclass(frozen=True)
class Step:
    """What the runs of one config came to."""

    name: str
    """Of its config; the steps are in the order of their names."""
    errors: list[int]
    """Test errors of each seed."""


def steps() -> list[str]:
    """Return the names of the steps' configs, from 1998 to today."""
    return [name for name in configfile.names() if name.startswith(f"{FOLDER}/")]


def train_steps(
    seeds: int,
    root: Path,
    *,
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> bool:
    """Train every step until it has `seeds` finished runs in `root`; what is finished stays.

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
    for name in steps():
        config = configfile.load(name).config
        done = run_experiment(
            config, name, seeds=seeds, data=data, root=root, resume=True, stop=stop, say=say
        )
        if done.unfinished:
            return False
    return True


def measure_steps(root: Path, data: Path | None = None) -> list[Step]:
    """Collect the steps' finished runs below `root`; the last one is also asked as a committee.

    Raises:
        RunError: No step has a finished run.
    """
    measured: list[tuple[str, list[Run]]] = []
    for name in steps():
        runs = [run for run in find_runs(root / name) if run.finished]
        if runs:
            measured.append((name, runs))
    if not measured:
        raise RunError(f"{root / FOLDER} has no finished run of any step")
    collected = [
        Step(
            name.removeprefix(f"{FOLDER}/"), [r.read_json("result.json")["errors/test"] for r in s]
        )
        for name, s in measured
    ]
    members = measured[-1][1]
    if len(members) > 1:
        asked = ask_runs([str(run.folder) for run in members], "test", data=data)
        collected.append(Step(f"committee of {len(members)}", [asked.errors]))
    return collected


def table(measured: Sequence[Step]) -> str:
    """Return the steps as a Markdown table, each with the change to the step before."""
    lines = ["| step | test errors | seeds | change |", "|---|---:|---:|---:|"]
    before: float | None = None
    for step in measured:
        errors = summarize(step.errors)
        spread = "" if errors.sd is None else f" ± {errors.sd:.1f}"
        change = "" if before is None else f"{errors.mean - before:+.1f}"
        lines.append(f"| {step.name} | {errors.mean:.1f}{spread} | {errors.n} | {change} |")
        before = errors.mean
    return "\n".join(lines)
