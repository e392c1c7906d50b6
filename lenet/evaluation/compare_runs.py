"""What several runs make of the same images, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lenet.config.load import flatten_config
from lenet.config.schema import Config
from lenet.errors import count
from lenet.evaluation.ensemble import Opinions
from lenet.evaluation.evaluate_runs import ask_runs
from lenet.runs.find import open_runs
from lenet.statistics import Summary, describe_accuracy, describe_mean, mcnemar, summarize
from lenet.tables import BEST, Table

MOST = 50
"""Images that the text names; JSON has all."""


@dataclass(frozen=True)
class Comparison:
    """Errors of runs on the same images."""

    folders: list[str]
    """The runs' names: their folders, or ``published:NAME/SEED``."""
    wrong: Tensor
    """Which images each gets wrong, bool (runs, N)."""
    configs: Sequence[Config] = ()
    """The runs' configs."""
    opinions: Opinions | None = None
    """What each says of the images."""

    @property
    def experiments(self) -> dict[str, Summary]:
        """Errors by experiment: mean and standard deviation over its seeds."""
        errors: dict[str, list[int]] = {}
        for folder, wrong in zip(self.folders, self.wrong, strict=True):
            errors.setdefault(str(Path(folder).parent), []).append(int(wrong.sum()))
        return {name: summarize(counts) for name, counts in errors.items()}

    @property
    def always_wrong(self) -> list[int]:
        """Indices of the images that every run gets wrong."""
        found: list[int] = self.wrong.all(0).nonzero().flatten().tolist()
        return found

    @property
    def pair(self) -> tuple[int, int, float] | None:
        """Of two runs: images that only the first, only the second gets wrong, McNemar's p."""
        if len(self.wrong) != 2:
            return None
        first, second = self.wrong
        only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
        return only_first, only_second, mcnemar(only_first, only_second)

    @property
    def differences(self) -> dict[str, dict[str, Any]]:
        """Settings that differ, with their values by experiment; None where unset."""
        flat = {
            str(Path(folder).parent): flatten_config(config)
            for folder, config in zip(self.folders, self.configs, strict=False)
        }
        keys = dict.fromkeys(key for values in flat.values() for key in values)
        found = {key: {name: values.get(key) for name, values in flat.items()} for key in keys}
        return {
            key: values
            for key, values in found.items()
            if key != "seed" and not key.startswith("evaluate.") and len(set(values.values())) > 1
        }

    def tables(self) -> list[Table]:
        """Return the errors of each experiment and, where they differ, their settings."""
        n, experiments = self.wrong.shape[1], self.experiments
        rows = [
            [name, describe_mean(errors), describe_accuracy(errors.mean, n), str(errors.n)]
            for name, errors in experiments.items()
        ]
        notes = []
        if self.pair:
            only_first, only_second, p = self.pair
            notes.append(
                f"only the first wrong: {only_first:,}, only the second wrong: {only_second:,};"
                f" McNemar's exact p = {p:.3g}"
            )
        if len(self.folders) > 1:
            always = count(len(self.always_wrong), "image")
            indices = "".join(f" {index}" for index in self.always_wrong[:MOST])
            indices += " …" * (len(self.always_wrong) > MOST)
            notes.append(
                f"wrong in all {len(self.folders)} runs: {always}{indices and ':'}{indices}"
            )
        means = [errors.mean for errors in experiments.values()]
        best: dict[int | tuple[int, int], str] = {means.index(min(means)): BEST}
        headings = ["experiment", f"errors of {n:,}", "accuracy", "seeds"]
        tables = [Table(headings, rows, styles=best if len(means) > 1 else {}, notes=notes)]
        if self.differences:
            tables.append(
                Table(
                    ["what differs", *experiments],
                    [
                        [key, *map(_write, values.values())]
                        for key, values in self.differences.items()
                    ],
                    frozenset(range(len(experiments) + 1)),
                )
            )
        return tables

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        return {
            "errors": dict(zip(self.folders, self.wrong.sum(1).tolist(), strict=True)),
            "experiments": {
                name: {"mean": s.mean, "sd": s.sd, "n": s.n} for name, s in self.experiments.items()
            },
            "differences": self.differences,
            "always_wrong": self.always_wrong,
            "mcnemar": None
            if self.pair is None
            else dict(zip(("only_first", "only_second", "p"), self.pair, strict=True)),
        }


def compare_runs(
    names: Sequence[str], split: str = "test", device: str = "auto", data: Path | None = None
) -> Comparison:
    """Find out which images trained networks get wrong; see `evaluate_runs` for the arguments.

    Raises:
        UsageError: There is no such run or split, or the runs do not look at the same images.
        RunError: Weights or data are missing or damaged.
    """
    opinions = ask_runs(names, split, device, data)
    wrong = opinions.probabilities.argmax(2) != opinions.labels
    configs = [run.config for name in names for run in open_runs(name)]
    return Comparison(list(opinions.names), wrong, configs, opinions)


def _write(value: bool | str | float | None) -> str:
    """Write a setting's value as it stands in YAML; a dash where it is unset."""
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)
