"""Images whose label trained networks doubt: wrong labels, or pictures that are hard to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lenet.errors import count
from lenet.evaluation.ensemble import Opinions
from lenet.tables import Table

LISTED = 20
"""Images in a table; JSON has all."""


@dataclass(frozen=True)
class Suspects:
    """What networks think of the labels of N images.

    Attributes:
        opinions: Theirs.
        split: ``train``, ``validation`` or ``test``.
        places: int64 (N,); where the images lie in the files of the dataset, from 0. Validation
            images lie in the training set's.
        files: By place, where each image is a file of its own.
    """

    opinions: Opinions
    split: str
    places: Tensor
    files: Sequence[str] | None = None

    @property
    def indices(self) -> Tensor:
        """The images that the mean of the networks takes for another class, int64 (M,).

        First comes the one whose label is the least probable.
        """
        mean, labels = self.opinions.mean, self.opinions.labels
        wrong = (mean.argmax(1) != labels).nonzero().flatten()
        doubt = mean[wrong, labels[wrong]]
        return wrong[doubt.argsort(stable=True)]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return them for JSON, all and in order."""
        mean, labels, classes = (
            self.opinions.mean,
            self.opinions.labels,
            self.opinions.split.classes,
        )
        found = []
        for index in self.indices.tolist():
            place, label, said = (
                int(self.places[index]), int(labels[index]), int(mean[index].argmax())
            )  # fmt: skip
            found.append(
                {
                    "index": place,
                    "file": self.files[place] if self.files else None,
                    "label": classes[label],
                    "prediction": classes[said],
                    "probability/label": float(mean[index, label]),
                    "probability/prediction": float(mean[index, said]),
                }
            )
        return found

    def table(self) -> Table:
        """Return the first of them."""
        found, n = self.as_dicts(), len(self.opinions.labels)
        notes = [f"{count(len(found), 'image')} of {n:,} look more like another class"]
        if len(found) > LISTED:
            notes[0] += f"; --json lists all, these are the first {LISTED}"
        if self.split == "train":
            notes.append(
                "networks learn wrong labels of training images by heart: those that they still"
                " doubt are a part of the wrong ones"
            )
        return Table(
            ["file" if self.files else "index", "label", "looks like", "label, %", "other, %"],
            [
                [
                    each["file"] or str(each["index"]),
                    each["label"],
                    each["prediction"],
                    f"{100 * each['probability/label']:.2f}",
                    f"{100 * each['probability/prediction']:.2f}",
                ]
                for each in found[:LISTED]
            ],
            left=frozenset({0, 1, 2}),
            notes=notes,
        )
