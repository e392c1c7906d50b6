"""A study: experiments side by side, each a row that is trained if it is missing, then counted.

Every number comes from run folders. Finished runs are not trained again, so a study can be
interrupted at any time and continues where it was.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from lenet.config.load import load_config
from lenet.errors import RunError, count
from lenet.runs.files import write_atomically
from lenet.runs.find import PLACES, find_runs
from lenet.runs.run import Run
from lenet.statistics import Summary, describe_accuracy, describe_mean, summarize
from lenet.tables import BEST, Table

POLL_SECONDS = 1.0
REPORT_SECONDS = 30.0

ENSEMBLE = "ensemble.json"
"""Beside the folders of the seeds: what ``lenet evaluate FOLDER --ensemble --json`` prints."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One experiment of a study.

    Attributes:
        label: What the table calls it.
        config: The config that it trains.
        runs: Where its runs lie, below the folder of the runs; empty: under the config's name.
        overrides: Changes to the config, ``section.key=value``.
        seeds: How many are trained, from seed 0 on.
        ensemble: Whether the seeds are asked together, not one by one.
        stages: Configs to train first, each with those before it as ``data.boosting.earlier``; the
            row's errors are then those of all its networks together.
        paper_percent: Test error that the paper gives, in per cent.
        source: Where the paper gives it.
    """

    label: str
    config: str
    runs: str = ""
    overrides: tuple[str, ...] = ()
    seeds: int = 5
    ensemble: bool = False
    stages: tuple[str, ...] = ()
    paper_percent: float | None = None
    source: str = ""

    @property
    def experiment(self) -> str:
        """The folder of its runs, such as ``paper/lenet5``."""
        return self.runs or self.config

    @property
    def name(self) -> str:
        """The last part of `experiment`; what the row is called on the command line."""
        return self.experiment.rpartition("/")[2]

    @property
    def published(self) -> str:
        """The folder of its published runs; those of ``modern/`` have short names."""
        return self.experiment.removeprefix("modern/")


@dataclass(frozen=True)
class Measured:
    """A row and what its finished runs came to.

    Attributes:
        row: The row.
        runs: At least one, all finished.
        together: What the seeds of an ensemble get wrong together: the content of `ENSEMBLE`.
        before: The row above it in the table.
    """

    row: Row
    runs: Sequence[Run]
    together: Mapping[str, Any] | None = None
    before: "Measured | None" = field(default=None, repr=False)

    @cached_property
    def errors(self) -> list[int]:
        """Test errors of each seed; of an ensemble, the one count of all seeds together."""
        if self.together is not None:
            return [self.together["errors"]]
        key = "errors/test-together" if self.row.stages else "errors/test"
        return [run.read_json("result.json")[key] for run in self.runs]

    @cached_property
    def n(self) -> int:
        """Test images."""
        images: int = self.runs[0].read_json("result.json")["n/test"]
        return images

    @cached_property
    def seconds(self) -> float:
        """Mean time of training one seed."""
        times = [sum(line["seconds"] for line in run.lines("timing.jsonl")) for run in self.runs]
        return summarize(times).mean

    @property
    def epochs(self) -> int:
        """Epochs of training."""
        return self.runs[0].config.train.epochs

    @property
    def summary(self) -> Summary:
        """Mean and standard deviation of `errors`."""
        return summarize(self.errors)

    @property
    def percent(self) -> Summary:
        """Mean and standard deviation of `errors`, in per cent."""
        return summarize([100 * errors / self.n for errors in self.errors])

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "row": self.row.name,
            "experiment": self.row.experiment,
            "label": self.row.label,
            "ensemble": self.row.ensemble,
            "errors": self.errors,
            "n": self.n,
            "seeds": len(self.runs),
            "epochs": self.epochs,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Column:
    """A column of a study's table.

    Attributes:
        heading: ``{n}`` in it is replaced by the number of test images.
        cell: Returns a row's text.
        left: Whether the texts begin at the left.
        optional: Whether a narrow terminal leaves it out, the last of them first.
    """

    heading: str
    cell: Callable[[Measured], str]
    left: bool = False
    optional: bool = False


ERRORS = Column("test errors of {n}", lambda m: describe_mean(m.summary))
"""A mean and its deviation over seeds; of one seed or an ensemble, its count."""
ACCURACY = Column("accuracy", lambda m: describe_accuracy(m.summary.mean, m.n))
"""Stands beside a column of errors."""


@dataclass(frozen=True)
class Study:
    """Experiments side by side.

    Attributes:
        name: What the study is called on the command line.
        question: What its table answers or lists; the heading of the labels.
        rows: Its experiments.
        columns: Those beside the labels.
        details: Returns what its JSON says of a row beyond `Measured.as_dict`.
        notes: Lines below its table.
        complete: Returns the study with what depends on a folder of data; it takes progress
            messages to a function, too.
        trains: Whether missing runs are trained; otherwise those that are there are read.
    """

    name: str
    question: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    details: Callable[[Measured], dict[str, Any]] = lambda measured: {}
    notes: tuple[str, ...] = ()
    complete: "Callable[[Study, Path | None, Callable[[str], None]], Study]" = (
        lambda study, data, say: study
    )
    trains: bool = True

    def table(self, measured: Sequence[Measured]) -> Table:
        """Return the table of rows that have finished runs, at least one."""
        images = f"{measured[0].n:,}"
        return Table(
            [self.question, *(column.heading.format(n=images) for column in self.columns)],
            [[m.row.label, *(column.cell(m) for column in self.columns)] for m in measured],
            frozenset({0, *(n for n, column in enumerate(self.columns, start=1) if column.left)}),
            [n for n, column in enumerate(self.columns, start=1) if column.optional][::-1],
            styles={min(range(len(measured)), key=lambda n: measured[n].summary.mean): BEST},
            notes=self.notes,
        )

    def as_dicts(self, measured: Sequence[Measured]) -> list[dict[str, Any]]:
        """Return rows for JSON."""
        return [{"study": self.name} | m.as_dict() | self.details(m) for m in measured]


def collect(study: Study, root: Path, places: Sequence[Path] | None = None) -> list[Measured]:
    """Collect the finished runs of a study from `root` or, if it has none, the published ones.

    Rows without a finished run, and ensembles that were not asked yet, are left out.

    Args:
        study: Names the runs.
        root: The folder of the runs.
        places: Where published runs lie; None: where they come with the project.
    """
    found: list[Measured] = []
    for row in study.rows:
        published = [place / row.published for place in (PLACES if places is None else places)]
        for folder in (root / row.experiment, *published):
            runs = find_finished(folder)
            together = _read_ensemble(folder) if row.ensemble else None
            if runs and (together or not row.ensemble):
                found.append(Measured(row, runs, together, found[-1] if found else None))
                break
    return found


def find_finished(folder: Path) -> list[Run]:
    """Return the finished runs of an experiment."""
    return [run for run in find_runs(folder) if run.finished]


def _read_ensemble(folder: Path) -> Mapping[str, Any] | None:
    path = folder / ENSEMBLE
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def train_missing(
    rows: Sequence[Row],
    root: Path,
    *,
    seeds: int | None = None,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> bool:
    """Train rows until each has its seeds' finished runs in `root`; then ask the ensembles.

    Each experiment is trained by a process of its own, with one thread if several run at once. A
    stage that learns from others waits for them.

    Args:
        rows: What to train.
        root: The folder of the runs.
        seeds: Runs per row, from seed 0 on; None: each row's own number.
        jobs: Experiments trained at once.
        overrides: Changes to all configs, ``section.key=value``.
        data: A folder to look for the dataset in first.
        stop: Asked every second whether to save and end.
        say: Takes progress messages.

    Returns:
        Whether all was trained; False if it was stopped before.

    Raises:
        RunError: A training failed; the others were stopped and can be resumed.
    """
    trainings = {
        row.experiment: _Training(row, seeds or row.seeds, (*row.overrides, *overrides), root, data)
        for row in _with_stages(rows)
    }
    waiting = [name for name, training in trainings.items() if training.epochs_left]
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if jobs > 1 else {})
    running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
    began, reported = time.monotonic(), 0.0
    left_at_start = sum(trainings[name].epochs_left for name in waiting)
    if waiting:
        say(_cost([trainings[name] for name in waiting]))
    try:
        while waiting or running:
            if stop():
                return False
            unfinished = {*waiting, *running}
            ready = [n for n in waiting if not unfinished.intersection(trainings[n].row.stages)]
            for name in ready[: jobs - len(running)]:
                waiting.remove(name)
                say(f"training {name}")
                log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the training)
                process = subprocess.Popen(
                    [sys.executable, "-m", "lenet", *trainings[name].arguments],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    # Else Ctrl-C would reach it too, and `terminate` below end it before it saved.
                    start_new_session=True,
                )
                running[name] = process, log
            for name in list(running):
                process, log = running[name]
                if process.poll() is not None:
                    del running[name]
                    with log:
                        if process.returncode:
                            raise RunError(trainings[name].explain_failure(log))
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                left = sum(training.epochs_left for training in trainings.values())
                say(_progress(left_at_start, left, reported - began))
            time.sleep(POLL_SECONDS)
    finally:
        for process, _ in running.values():
            process.terminate()  # saves a checkpoint and ends; on Windows, ends at once
        for process, log in running.values():
            with log:
                process.wait()
    for row in rows:
        if row.ensemble:
            _ask_ensemble(root / row.experiment, data)
    return True


def _with_stages(rows: Sequence[Row]) -> list[Row]:
    """Return rows, each after rows for its stages; a stage's own stages are those before it."""
    found = []
    for row in rows:
        for number, config in enumerate(row.stages):
            found.append(
                Row(label=config, config=config, stages=row.stages[:number], seeds=row.seeds)
            )
        found.append(row)
    return found


@dataclass(frozen=True)
class _Training:
    """A row on its way to its number of finished runs."""

    row: Row
    seeds: int
    overrides: Sequence[str]
    root: Path
    data: Path | None

    @property
    def arguments(self) -> list[str]:
        """What follows ``lenet`` to train it."""
        row = self.row
        arguments = ["train", row.config, "--name", row.experiment, "--seeds", str(self.seeds)]
        arguments += ["--runs", str(self.root), "--resume"]
        arguments += ["--data", str(self.data)] if self.data else []
        changes = list(self.overrides)
        if row.stages:
            folders = json.dumps([str(self.root / stage) for stage in row.stages])
            changes.append(f"data.boosting.earlier={folders}")
        return arguments + [word for change in changes for word in ("--set", change)]

    @property
    def epochs_left(self) -> int:
        """Epochs of all seeds that are still to be trained; at least 1 if a run is unfinished."""
        epochs = load_config(self.row.config, self.overrides).config.train.epochs
        runs = {run.seed: run for run in find_runs(self.root / self.row.experiment)}
        left = 0
        for run in map(runs.get, range(self.seeds)):
            if run is None or not run.finished:
                left += epochs - (len(run.lines("metrics.jsonl")) if run else 0)
                left = max(left, 1)
        return left

    def published_seconds_per_epoch(self) -> float | None:
        """Return the mean time of an epoch of the published runs, or None if there are none."""
        for place in PLACES:
            runs = find_finished(place / self.row.published)
            times = [line["seconds"] for run in runs for line in run.lines("timing.jsonl")]
            if times:
                return float(sum(times) / len(times))
        return None

    def explain_failure(self, log: IO[bytes]) -> str:
        """Return a message for a training that failed, from what it wrote to standard error."""
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        said = said or lines[-1:]  # the end of a traceback
        again = shlex.join(["lenet", *self.arguments])
        return "\n".join(
            [*said, f"training {self.row.experiment} failed; to see it fail: `{again}`"]
        )


def _cost(trainings: Sequence["_Training"]) -> str:
    """Say what there is to train, and how long that took the runs that are published."""
    epochs = [training.epochs_left for training in trainings]
    seconds = [training.published_seconds_per_epoch() for training in trainings]
    hours = sum(n * each for n, each in zip(epochs, seconds, strict=True) if each) / 3600
    line = f"to train: {count(len(trainings), 'experiment')}, {count(sum(epochs), 'epoch')}"
    if hours:
        line += f"; the published runs took {hours:.1f} hours for that"
        if unknown := seconds.count(None):
            line += f", without {count(unknown, 'experiment')} of which none are published"
    return f"{line}. Ctrl-C saves and stops, the same command continues"


def _progress(at_start: int, left: int, seconds: float) -> str:
    """Say how far the epochs have come and, once one is done, when the rest will be."""
    done = at_start - left
    line = f"{done} of {at_start} epochs"
    if done:
        line += f", about {seconds / done * left / 60:.0f} minutes left"
    return line


def _ask_ensemble(folder: Path, data: Path | None) -> None:
    """Write what an experiment's seeds get wrong together, unless it is written already."""
    alone = [run.read_json("result.json")["errors/test"] for run in find_finished(folder)]
    known = _read_ensemble(folder)
    if len(alone) > 1 and (known is None or [*known["runs"].values()] != alone):
        from lenet.evaluation.evaluate_runs import ask_runs  # torch: not for a list of studies

        together = ask_runs([str(folder)], "test", data=data).as_dict()
        write_atomically(folder / ENSEMBLE, (json.dumps(together, indent=2) + "\n").encode())
