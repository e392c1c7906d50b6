"""Several networks asked together: their mean, their votes, and where all of them fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from lenet.data.datasets import Split
from lenet.errors import count
from lenet.statistics import describe_accuracy, summarize, wilson_interval
from lenet.tables import BEST, Table

DOUBTFUL = {
    947: "8, rather a 9",
    1621: "0, rather a 6",
    1901: "9, rather a 4",
    2130: "4, or a 9",
    2462: "2, rather a 0",
    2597: "5, rather a 3",
    2654: "6 or 1, rather neither",
    3520: "6 or 4, rather neither",
    3558: "5, rather a 0",
    5937: "5, rather a 3",
    6651: "0, rather a 6",
    6783: "1, rather a 6",
    8527: "4, or a 9",
    9679: "6 or 3, rather neither",
    9729: "5, rather a 6",
}
"""MNIST's test images whose label most of five people did not confirm: index from 0 → the label
that is given and what they said.

Source: Northcutt, Athalye and Mueller 2021, "Pervasive label errors in test sets"; the votes lie in
their repository cleanlab/label-errors, file mturk/mnist_mturk.json."""
MOST = 10
"""Pairs of label and prediction that the text lists."""


@dataclass(frozen=True)
class Opinions:
    """What each network of an ensemble says of the same N images.

    Attributes:
        names: Their names.
        probabilities: Of each class, by each network, float (networks, N, classes).
        split: The N images with their labels.
        doubtful: Notes on images whose label is doubtful, by index.
    """

    names: Sequence[str]
    probabilities: Tensor
    split: Split
    doubtful: Mapping[int, str]

    @property
    def labels(self) -> Tensor:
        """The images' labels, int64 (N,)."""
        return self.split.labels

    @property
    def mean(self) -> Tensor:
        """The mean of the networks' probabilities, (N, classes)."""
        return self.probabilities.mean(0)

    @property
    def votes(self) -> Tensor:
        """How many networks say each class, int64 (N, classes)."""
        said = self.probabilities.argmax(2)  # (networks, N)
        return F.one_hot(said, self.probabilities.shape[2]).sum(0)

    @property
    def errors_alone(self) -> list[int]:
        """The errors of each network alone."""
        counts: list[int] = (self.probabilities.argmax(2) != self.labels).sum(1).tolist()
        return counts

    @property
    def errors(self) -> int:
        """Images that the mean gets wrong."""
        return int((self.mean.argmax(1) != self.labels).sum())

    @property
    def vote_errors(self) -> int:
        """Images that the majority gets wrong; where votes are equal, the mean decides."""
        # Votes are whole numbers and a mean probability is at most 1, half of it less than a vote.
        decided = self.votes + self.mean / 2
        return int((decided.argmax(1) != self.labels).sum())

    @property
    def top2_errors(self) -> int:
        """Images whose label is not among the two most probable classes."""
        top = self.mean.topk(2, dim=1).indices  # (N, 2)
        return int((top != self.labels[:, None]).all(1).sum())

    @property
    def all_fail(self) -> Tensor:
        """The images that no network gets right, int64 indices."""
        return (self.probabilities.argmax(2) != self.labels).all(0).nonzero().flatten()

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return {
            "n": len(self.labels),
            "runs": dict(zip(self.names, self.errors_alone, strict=True)),
            "errors": self.errors,
            "vote_errors": self.vote_errors,
            "top2_errors": self.top2_errors,
            "all_fail": self.all_fail.tolist(),
            "all_fail_doubtful": [i for i in self.all_fail.tolist() if i in self.doubtful],
        }

    def table(self) -> Table:
        """Return the errors of each network and of all together; JSON lists where all fail."""
        n, said, names = len(self.labels), self.mean.argmax(1), self.split.classes
        alone = summarize(self.errors_alone)
        rows = [
            *(_row(*each, n) for each in zip(self.names, self.errors_alone, strict=True)),
            ["one network alone", f"{alone:.1f}", describe_accuracy(alone.mean, n), ""],
            _row("mean of probabilities", self.errors, n),
            _row("majority of votes", self.vote_errors, n),
            _row("not among the two most probable", self.top2_errors, n),
        ]
        failures = self.all_fail.tolist()
        doubted = [index for index in failures if index in self.doubtful]
        taken = Counter(
            f"{names[int(self.labels[i])]} → {names[int(said[i])]}"
            for i in failures
            if i not in self.doubtful
        )
        notes = [f"all networks fail on {count(len(failures), 'image')}:"] if failures else []
        most = [f"{times:,}x {pair}" for pair, times in taken.most_common(MOST)]
        others = len(taken) - len(most)
        most += [f"and {count(others, 'other pair')}"] if others else []
        notes += [", ".join(most)]
        notes += [
            f"and {index}, whose label people doubt ({self.doubtful[index]})" for index in doubted
        ]
        together = len(self.names) + 1
        return Table(
            ["", f"errors of {n:,}", "accuracy", "95 % CI"],
            rows,
            styles={together + int(self.vote_errors < self.errors): BEST},
            notes=[note for note in notes if note],
        )


def _row(name: str, errors: int, n: int) -> list[str]:
    low, high = wilson_interval(errors, n)
    return [name, f"{errors:,}", describe_accuracy(errors, n), f"{low:,.0f}–{high:,.0f}"]
