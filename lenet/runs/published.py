"""Published experiments: all seeds in one folder, in a few files that git keeps well.

config.yaml            the resolved config of the first seed; the others differ in nothing else
environment.json       versions, device, commit, data checksums: what all seeds have in common
results.jsonl          a line per seed: its result, and the rest of its environment
metrics.csv            a line per seed and epoch: metrics, seconds and images per second
weights.safetensors    the weights of all seeds, named 0/c1.weight; short studies have none
ensemble.json          what `lenet evaluate FOLDER --ensemble --json` prints, if it was asked
figures/SEED/          what `lenet figures` draws; git ignores it
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.errors import RunError
from lenet.runs.files import DamagedFileError, read_file, read_tensors
from lenet.runs.run import (
    MAX_JSON_BYTES,
    TIMING,
    Run,
    check_epochs,
    check_record,
    read_json_lines,
    read_record,
)

if TYPE_CHECKING:
    from torch import Tensor

RESULTS = "results.csv"
"""Beside the experiments: a line for every published run."""

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
    def runs(self) -> list[PublishedRun]:
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
        return read_results(self.folder)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the environments of all seeds have in common."""
        return read_record(self.folder / "environment.json")

    @cached_property
    def metrics(self) -> dict[int, list[dict[str, int | float]]]:
        """The lines of each seed in ``metrics.csv``, without the empty cells."""
        return read_metrics(self.folder, self.results)


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


def read_results(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the line of each seed in an experiment's ``results.jsonl``.

    Raises:
        DamagedFileError: The file is damaged.
    """
    path = folder / "results.jsonl"
    lines = [check_record(line, path) for line in read_json_lines(path)]
    return {line["seed"]: line for line in lines}


def read_metrics(folder: Path, seeds: Iterable[int]) -> dict[int, list[dict[str, int | float]]]:
    """Return the lines of each seed in an experiment's ``metrics.csv``, without the empty cells.

    Raises:
        DamagedFileError: The file is damaged, or holds other seeds.
    """
    path = folder / "metrics.csv"
    lines: dict[int, list[dict[str, int | float]]] = {seed: [] for seed in seeds}
    try:
        text = read_file(path, MAX_JSON_BYTES).decode()
        for row in csv.DictReader(io.StringIO(text), strict=True):
            line = {key: _number(cell) for key, cell in row.items() if cell}
            lines[int(line.pop("seed"))].append(line)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, csv.Error) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    return lines


def _number(text: str) -> int | float:
    """Read back what `str` wrote of an int or a float."""
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
