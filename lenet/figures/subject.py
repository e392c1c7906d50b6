"""What a figure is about: a trained run, its network, the test images and its outputs for them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lenet.data.datasets import Split
from lenet.data.own import load_images
from lenet.errors import RunError, UsageError, nearest, shell
from lenet.evaluation.classifier import Classifier, load_classifier
from lenet.evaluation.evaluate import Result
from lenet.losses import probabilities
from lenet.runs.run import Run


class UnfitError(UsageError):
    """A figure does not fit the run; the message names one that does."""


@dataclass(frozen=True)
class Subject:
    """A run with its trained network and the test images, all on the same device.

    Outputs are computed on first use and cached.
    """

    run: Run
    classifier: Classifier
    dataset: str
    """The dataset's name."""
    test: Split
    image: int | None = None
    """Index of the test image for figures of a single image; None: the figure chooses."""
    data: Path | None = None
    """A folder to look for training images in first."""
    classes: tuple[int, ...] = ()
    """Labels of the classes whose activation maps are shown; empty: the figure chooses."""
    known: Tensor | None = None
    """The network's outputs for the test images, if they were computed before."""

    def __post_init__(self) -> None:
        if self.image is not None and not 0 <= self.image < len(self.test):
            raise UsageError(f"there are test images 0 to {len(self.test) - 1}, not {self.image}")

    def label_of(self, name: str) -> int:
        """Return the label of the class of this name.

        Raises:
            UsageError: There is none.
        """
        if name not in self.names:
            raise UsageError(f"there is no class {name!r}; {nearest(name, self.names)}")
        return self.names.index(name)

    @classmethod
    def open(
        cls, run: Run, data: Path | None = None, device: torch.device | str = "cpu"
    ) -> "Subject":
        """Load a finished run's weights and images.

        Args:
            run: The run.
            data: A folder to look for the dataset in first.
            device: Where to compute.

        Raises:
            RunError: The run is unfinished; its weights or the images are missing or damaged.
        """
        if not run.finished:
            raise RunError(
                f"{run.folder} is unfinished; `{shell('lenet', 'resume', run.folder)}` continues it"
            )
        dataset = run.read_json("result.json")["dataset"]
        test = load_images(run.config.data, data, trained_on=dataset).test
        return cls(run, load_classifier(run, device), dataset, test.to(device), data=data)

    @property
    def name(self) -> str:
        """The experiment and the seed, ``quickstart/0``."""
        return f"{self.run.folder.parent.name}/{self.run.folder.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return self.test.classes

    @cached_property
    def train(self) -> Split:
        """The training images, on the CPU; loaded on first use."""
        return load_images(self.run.config.data, self.data, trained_on=self.dataset).train

    @cached_property
    def outputs(self) -> Tensor:
        """The network's outputs for the test images, float32 (N, classes)."""
        return self.classifier.infer(self.test.images) if self.known is None else self.known

    @cached_property
    def probabilities(self) -> Tensor:
        """The probability of each class, float32 (N, classes)."""
        return probabilities(self.outputs, self.classifier.outputs)

    @cached_property
    def predictions(self) -> Tensor:
        """The predicted class of each test image, int64 (N,)."""
        return self.classifier.classify(self.outputs)

    @cached_property
    def result(self) -> Result:
        """The errors on the test images, counted."""
        return self.classifier.count(self.outputs, self.test.labels)

    def restore(self, prepared: Tensor) -> Tensor:
        """Return a preprocessed image (C, H, W) in the pixels that it had, from 0 to 1."""
        levels = self.classifier.preprocess.levels.to(prepared)[:, :, None, None]  # (C, 2, 1, 1)
        return ((prepared - levels[:, 0]) / (levels[:, 1] - levels[:, 0])).clamp(0, 1)

    def mistakes(self) -> Tensor:
        """Return the indices of the misclassified test images, surest first, int64 (M,)."""
        wrong = (self.predictions != self.test.labels).nonzero()[:, 0]
        sureness = self.probabilities[wrong].max(1).values
        return wrong[sureness.argsort(descending=True, stable=True)]
