"""What several runs make of the same images, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lenet.evaluation.evaluate_runs import ask_runs
from lenet.statistics import Summary, describe_mean_errors, mcnemar, summarize


@dataclass(frozen=True)
class Comparison:
    """Errors of runs on the same images."""

    folders: list[str]
    """The runs' folders."""
    wrong: Tensor
    """Which images each gets wrong, bool (runs, N)."""

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

    def describe(self) -> str:
        """Return the comparison as a few lines of text."""
        n = self.wrong.shape[1]
        lines = [
            f"{name}: {describe_mean_errors(errors, n)}"
            for name, errors in self.experiments.items()
        ]
        if self.pair:
            only_first, only_second, p = self.pair
            lines.append(
                f"only {self.folders[0]} wrong: {only_first}, only {self.folders[1]} wrong:"
                f" {only_second}; McNemar's exact p = {p:.3g}"
            )
        if len(self.folders) > 1:
            indices = " ".join(map(str, self.always_wrong))
            lines.append(f"wrong in all {len(self.folders)} runs: {len(self.always_wrong)} images")
            lines.append(indices)
        return "\n".join(lines).rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        return {
            "errors": dict(zip(self.folders, self.wrong.sum(1).tolist(), strict=True)),
            "experiments": {
                name: {"mean": s.mean, "sd": s.sd, "n": s.n} for name, s in self.experiments.items()
            },
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
    return Comparison(list(opinions.names), wrong)
