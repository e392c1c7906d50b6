"""Published experiments: all seeds in one folder, in a few files that git keeps well.

config.yaml            the resolved config of the first seed; the others differ in nothing else
environment.json       versions, device, commit, data checksums: what all seeds have in common
results.jsonl          a line per seed: its result, and the rest of its environment
metrics.csv            a line per seed and epoch: metrics, seconds and images per second
weights.safetensors    the weights of all seeds, named 0/c1.weight; short studies have none
ensemble.json          what `lenet evaluate FOLDER --ensemble --json` prints, if it was asked
figures/SEED/          what `lenet figures` draws; git ignores it
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from lenet.config.load import dump_config, load_config
from lenet.config.schema import Config
from lenet.errors import RunError
from lenet.runs.files import (
    DamagedFileError,
    read_file,
    read_tensors,
    write_atomically,
    write_tensors,
)
from lenet.runs.run import (
    MAX_JSON_BYTES,
    TIMING,
    Run,
    check_epochs,
    check_record,
    read_json_lines,
    read_record,
)

FILES = ("config.yaml", "environment.json", "results.jsonl", "metrics.csv", "weights.safetensors")
ENVIRONMENT = "environment"
"""In a line of ``results.jsonl``: what the seed's environment has besides the common one."""


@dataclass(frozen=True)
class PublishedExperiment:
    """The files of a published experiment, each read when first asked for."""

    folder: Path
    config: Config
    """That of the first seed."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the folder of an experiment.

        Raises:
            UsageError: Its config is damaged.
        """
        return cls(folder, load_config(folder / "config.yaml").config)

    @property
    def runs(self) -> list["PublishedRun"]:
        """The runs of all seeds.

        Raises:
            DamagedFileError: ``results.jsonl`` is damaged.
        """
        return [
            PublishedRun(
                self.folder / str(seed), self.config.model_copy(update={"seed": seed}), self
            )
            for seed in self.results
        ]

    @cached_property
    def results(self) -> dict[int, dict[str, Any]]:
        """The line of each seed in ``results.jsonl``."""
        path = self.folder / "results.jsonl"
        lines = [check_record(line, path) for line in read_json_lines(path)]
        return {line["seed"]: line for line in lines}

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the environments of all seeds have in common."""
        return read_record(self.folder / "environment.json")

    @cached_property
    def metrics(self) -> dict[int, list[dict[str, int | float]]]:
        """The lines of each seed in ``metrics.csv``, without the empty cells."""
        path = self.folder / "metrics.csv"
        lines: dict[int, list[dict[str, int | float]]] = {seed: [] for seed in self.results}
        try:
            text = read_file(path, MAX_JSON_BYTES).decode()
            for row in csv.DictReader(io.StringIO(text), strict=True):
                line = {key: _number(cell) for key, cell in row.items() if cell}
                lines[int(line.pop("seed"))].append(line)
        except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise DamagedFileError(f"{path} is damaged: {error}") from error
        return lines


@dataclass(frozen=True)
class PublishedRun(Run):
    """One seed of a published experiment: a run to read from, whose folder does not exist."""

    experiment: PublishedExperiment = field(repr=False, compare=False)

    @property
    def finished(self) -> bool:
        """True: nothing else is published."""
        return True

    @property
    def begun(self) -> bool:
        """True: nothing else is published."""
        return True

    @property
    def has_weights(self) -> bool:
        """Whether the weights were published."""
        return (self.experiment.folder / "weights.safetensors").is_file()

    @property
    def figures(self) -> Path:
        """The folder of the pictures that are drawn of the run."""
        return self.experiment.folder / "figures" / str(self.seed)

    def read_json(self, file: str) -> dict[str, Any]:
        """Return what ``result.json`` or ``environment.json`` held; see `Run.read_json`."""
        own = dict(self.experiment.results[self.seed])
        environment = own.pop(ENVIRONMENT, {})
        if file == "result.json":
            return check_record(own, self.experiment.folder / "results.jsonl")
        if file == "environment.json":
            return check_record(
                self.experiment.environment | environment, self.experiment.folder / file
            )
        return super().read_json(file)

    def lines(self, file: str) -> list[dict[str, Any]]:
        """Return the lines of ``metrics.jsonl`` or ``timing.jsonl``; see `Run.lines`."""
        wanted = [
            {
                k: v
                for k, v in line.items()
                if k == "epoch" or (k in TIMING) == (file == "timing.jsonl")
            }
            for line in self.experiment.metrics[self.seed]
        ]
        return check_epochs(wanted, self.experiment.folder / "metrics.csv")

    def load_weights(self) -> dict[str, Tensor]:
        """Return the seed's weights.

        Raises:
            RunError: They were not published, or the file is damaged.
        """
        path = self.experiment.folder / "weights.safetensors"
        if not path.exists():
            raise RunError(f"{path} is missing: the experiment was published without its weights")
        prefix = f"{self.seed}/"
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in read_tensors(path)[0].items()
            if name.startswith(prefix)
        }


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
    text = io.StringIO()
    table = csv.DictWriter(text, [*metrics, *TIMING], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)  # floats as `repr` writes them: the shortest text that reads back equal
    return text.getvalue()


def _number(text: str) -> int | float:
    """Read back what `str` wrote of an int or a float."""
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
