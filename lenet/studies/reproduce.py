"""The 1998 paper's Figure 9 beside ours: train what is missing, then lay the numbers side by side.

Every number comes from run folders. What is finished is not trained again, so a reproduction can be
interrupted at any time and goes on where it was.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenet.config.load import load_config
from lenet.errors import RunError, UsageError
from lenet.runs.find import PLACES, find_runs
from lenet.runs.run import Run, is_run
from lenet.statistics import Summary, summarize

POLL_SECONDS = 1.0
REPORT_SECONDS = 30.0
TOLERANCE = 0.1
"""Per cent: the uncertainty that the caption of Figure 9 gives for its numbers."""


@dataclass(frozen=True)
class Row:
    """One of the networks whose error the paper gives."""

    name: str
    """What the row is called on the command line; its config is ``paper/NAME``."""
    label: str
    """What Figure 9 or its text calls it."""
    percent: float
    """Test error in the paper, in per cent."""
    source: str = "Figure 9"
    stages: tuple[str, ...] = ()
    """Configs below ``paper/`` that are trained before it: it learns from their mistakes."""

    @property
    def config(self) -> str:
        """The config's name, under which its runs lie."""
        return f"paper/{self.name}"


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("linear", "Linear", 12.0),
        Row("mlp-300", "28x28-300-10", 4.7),
        Row("mlp-300-distorted", "[dist] 28x28-300-10", 3.6),
        Row("mlp-1000", "28x28-1000-10", 4.5),
        Row("mlp-1000-distorted", "[dist] 28x28-1000-10", 3.8),
        Row("mlp-300-100", "28x28-300-100-10", 3.05),
        Row("mlp-300-100-distorted", "[dist] 28x28-300-100-10", 2.5),
        Row("mlp-500-150", "28x28-500-150-10", 2.95),
        Row("mlp-500-150-distorted", "[dist] 28x28-500-150-10", 2.45),
        Row("lenet1", "[16x16] LeNet-1", 1.7),
        Row("lenet4", "LeNet-4", 1.1),
        Row("lenet5-15k", "LeNet-5, 15,000 images", 1.68, "Figure 6"),
        Row("lenet5-30k", "LeNet-5, 30,000 images", 1.14, "Figure 6"),
        Row("lenet5", "LeNet-5", 0.95),
        Row("lenet5-distorted", "[dist] LeNet-5", 0.8),
        Row(
            "boosted-lenet4",
            "[dist] Boosted LeNet-4",
            0.7,
            stages=("lenet4-distorted", "boosted-lenet4-second"),
        ),
        Row("lush", "LeNet-5 without F6 (Lush)", 0.82, "Bottou"),
    )
}
"""All rows, in the order of Figure 9."""


@dataclass(frozen=True)
class Measured:
    """A row beside what the finished runs of its config came to."""

    row: Row
    runs: list[Run]

    @property
    def percents(self) -> list[float]:
        """Test error of each seed, in per cent; of a boosted one, together with its stages."""
        results = [run.read_json("result.json") for run in self.runs]
        key = "errors/test-together" if self.row.stages else "errors/test"
        return [100 * result[key] / result["n/test"] for result in results]

    @property
    def train_percent(self) -> float:
        """Mean error on the training images as they came in the last epoch, in per cent."""
        last = [run.lines("metrics.jsonl")[-1] for run in self.runs]
        return 100 - 100 * summarize([metrics["accuracy/train"] for metrics in last]).mean

    @property
    def summary(self) -> Summary:
        """Mean and standard deviation of `percents`."""
        return summarize(self.percents)

    @property
    def verdict(self) -> str:
        """``inside`` the paper's ± 0.1 %, ``better`` or ``worse``."""
        difference = round(self.summary.mean - self.row.percent, 6)
        if abs(difference) <= TOLERANCE:
            return "inside"
        return "better" if difference < 0 else "worse"

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "row": self.row.name,
            "label": self.row.label,
            "source": self.row.source,
            "paper_percent": self.row.percent,
            "mean_percent": round(self.summary.mean, 4),
            "sd_percent": None if self.summary.sd is None else round(self.summary.sd, 4),
            "seeds": self.summary.n,
            "train_percent": round(self.train_percent, 4),
            "verdict": self.verdict,
        }


def choose_rows(names: Sequence[str]) -> list[Row]:
    """Return the named rows, or all if none is named.

    Raises:
        UsageError: There is no such row.
    """
    for name in names:
        if name not in ROWS:
            raise UsageError(f"no row {name!r}; there are {', '.join(ROWS)}")
    return [row for name, row in ROWS.items() if not names or name in names]


def measure(rows: Sequence[Row], root: Path) -> list[Measured]:
    """Collect the finished runs of rows from `root` or, where it has none, from the published ones.

    Rows without a finished run are left out.
    """
    found = []
    for row in rows:
        for place in (root, *PLACES):
            runs = [run for run in find_runs(place / row.config) if run.finished]
            if runs:
                found.append(Measured(row, runs))
                break
    return found


def sort_rows(runs: Sequence[Run]) -> list[Measured]:
    """Return the rows whose finished runs are among these, by their folders ``paper/NAME``."""
    finished = [run for run in runs if run.finished]
    rows = {
        row: [run for run in finished if run.folder.absolute().parts[-3:-1] == ("paper", row.name)]
        for row in ROWS.values()
    }
    return [Measured(row, seeds) for row, seeds in rows.items() if seeds]


def train_missing(
    rows: Sequence[Row],
    seeds: int,
    jobs: int,
    root: Path,
    *,
    data: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Train the rows' configs until each has `seeds` finished runs in `root`.

    Each config is a process of its own, with one thread where several run at once; a stage that
    learns from others waits for them.

    Args:
        rows: What to train.
        seeds: Runs per row, from seed 0 on.
        jobs: Configs trained at once.
        root: The folder of the runs.
        data: A folder to look for the dataset in first.
        say: Takes progress messages.

    Raises:
        RunError: A training failed; the others were stopped and can be resumed.
    """
    needed = {
        f"paper/{name}": [f"paper/{before}" for before in row.stages[:number]]
        for row in rows
        for number, name in enumerate((*row.stages, row.name))
    }
    arguments = {
        config: _train_arguments(config, earlier, seeds, root, data)
        for config, earlier in needed.items()
    }
    waiting = [config for config in needed if _epochs_left(config, seeds, root)]
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if jobs > 1 else {})
    running: dict[str, subprocess.Popen[bytes]] = {}
    began, reported = time.monotonic(), 0.0
    left_at_start = sum(_epochs_left(config, seeds, root) for config in waiting)
    try:
        while waiting or running:
            unfinished = {*waiting, *running}
            ready = [config for config in waiting if not unfinished.intersection(needed[config])]
            for config in ready[: jobs - len(running)]:
                waiting.remove(config)
                say(f"training {config}")
                running[config] = subprocess.Popen(
                    [sys.executable, "-m", "lenet", *arguments[config]],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            for config, process in list(running.items()):
                if process.poll() is not None:
                    del running[config]
                    if process.returncode:
                        again = shlex.join(["lenet", *arguments[config]])
                        raise RunError(f"training {config} failed; see for yourself with `{again}`")
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                left = sum(_epochs_left(config, seeds, root) for config in needed)
                say(_progress(left_at_start, left, reported - began))
            time.sleep(POLL_SECONDS)
    finally:
        for process in running.values():
            process.terminate()  # saves a checkpoint and ends
        for process in running.values():
            process.wait()


def _train_arguments(
    config: str, earlier: Sequence[str], seeds: int, root: Path, data: Path | None
) -> list[str]:
    """Return what follows ``lenet`` to train a config whose `earlier` stages lie in `root`, too."""
    arguments = ["train", config, "--seeds", str(seeds), "--runs", str(root), "--resume"]
    arguments += ["--data", str(data)] if data else []
    if earlier:
        folders = json.dumps([str(root / name) for name in earlier])
        arguments += ["--name", config, "--set", f"data.boosting.earlier={folders}"]
    return arguments


def markdown(measured: Sequence[Measured]) -> str:
    """Return rows as a Markdown table, in per cent."""
    lines = [
        "| network | paper, % | ours, % | seeds | training, % | paper's ± 0.1 % |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for m in measured:
        source = "" if m.row.source == "Figure 9" else f" ({m.row.source})"
        lines.append(
            f"| {m.row.label} | {m.row.percent:.2f}{source} | {m.summary:.2f} |"
            f" {m.summary.n} | {m.train_percent:.2f} | {m.verdict} |"
        )
    return "\n".join(lines)


def table(measured: Sequence[Measured]) -> str:
    """Return rows as text for a terminal, in per cent."""
    if not measured:
        return "no finished runs"
    width = max(len(m.row.label) for m in measured)
    lines = [f"{'network':<{width}}  paper   ours         seeds  train"]
    for m in measured:
        ours = f"{m.summary:.2f}"
        lines.append(
            f"{m.row.label:<{width}}  {m.row.percent:5.2f}  {ours:<12} {m.summary.n:5}"
            f"  {m.train_percent:5.2f}  {m.verdict}"
        )
    return "\n".join(lines)


def _epochs_left(name: str, seeds: int, root: Path) -> int:
    """Return how many epochs of a config's seeds are still to be trained."""
    epochs = load_config(name).config.train.epochs
    left = 0
    for seed in range(seeds):
        folder = root / name / str(seed)
        run = Run.open(folder) if is_run(folder) else None
        if run is None or not run.finished:
            left += epochs - (len(run.lines("metrics.jsonl")) if run else 0)
            left = max(left, 1)
    return left


def _progress(at_start: int, left: int, seconds: float) -> str:
    """Say how far the epochs have come and, once one is done, when the rest will be."""
    done = at_start - left
    line = f"{done} of {at_start} epochs"
    if done:
        line += f", about {seconds / done * left / 60:.0f} minutes left"
    return line
