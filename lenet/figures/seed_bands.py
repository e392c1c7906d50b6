"""Mean ± sd over the seeds of an experiment, as a run of its own."""

from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from lenet.errors import RunError
from lenet.figures.curves import Curve
from lenet.runs.events import EventFile, find_events, summary
from lenet.runs.find import find_runs
from lenet.runs.run import Run
from lenet.training.tensorboard import SPLITS

FOLDER = "seeds"
"""Name of the folder, beside the seeds' own, that holds an experiment's events."""


def write_seeds(
    root: Path,
    say: Callable[[str], None] = lambda line: None,
    known: Mapping[Path, int] = MappingProxyType({}),
) -> dict[Path, int]:
    """Write mean ± sd of every experiment in a folder that has two or more finished seeds.

    Tags are ``seeds/errors/SPLIT/mean``, ``low`` and ``high``, the latter two one sample standard
    deviation away; the step is the epoch. Older events are replaced.

    Args:
        root: The folder of the runs.
        say: Takes a line for each experiment that is left out: its numbers are damaged, or its
            folder cannot be written.
        known: What was written before; an experiment with no more finished seeds is left alone.

    Returns:
        The folders that were to be written, ``EXPERIMENT/seeds``, with the number of seeds.
    """
    written = {}
    finished = [run for run in find_runs(root) if run.finished]
    for folder, found in groupby(finished, key=lambda run: run.folder.parent):
        runs = list(found)
        if len(runs) > max(1, known.get(folder / FOLDER, 0)):
            try:
                _write(folder / FOLDER, runs)
            except (OSError, RunError) as error:
                say(f"no mean ± sd of {folder}: {error}")
            else:
                say(f"mean ± sd over {len(runs)} seeds: {folder / FOLDER}")
            written[folder / FOLDER] = len(runs)
    return written


def _write(folder: Path, runs: list[Run]) -> None:
    for old in find_events(folder):
        old.unlink()
    histories = [run.lines("metrics.jsonl") for run in runs]
    curves = {split: Curve.of(histories, f"errors/{split}") for split in SPLITS}
    with EventFile(folder, afresh=True) as events:
        charts = {
            f"{split}: mean ± sd over seeds": [
                "Margin",
                [f"seeds/errors/{split}/{bound}" for bound in ("mean", "low", "high")],
            ]
            for split, curve in curves.items()
            if curve is not None
        }
        events.add_summary(summary.custom_scalars({"errors": charts}))
        for split, curve in curves.items():
            if curve is None:
                continue
            for step, mean, sd in zip(
                curve.epochs.tolist(), curve.mean.tolist(), curve.sd.tolist(), strict=True
            ):
                for bound, value in (("mean", mean), ("low", mean - sd), ("high", mean + sd)):
                    tag = f"seeds/errors/{split}/{bound}"
                    events.add_summary(summary.scalar(tag, value), step)
        seeds = ", ".join(str(run.seed) for run in runs)
        about = f"{len(runs)} finished runs: seeds {seeds}"
        events.add_summary(summary.text("seeds", about))
