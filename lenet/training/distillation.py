"""Learning from a trained network: its probabilities for an image, beside the image's label.

A label says 4; a good network says that this 4, once distorted, is a little like a 9.

Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", at their
temperature 1.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from lenet.config.schema import Config
from lenet.device import torch_threads
from lenet.evaluation.classifier import Ensemble, load_classifier
from lenet.losses import weigh_classes
from lenet.runs.find import find_earlier


@dataclass(frozen=True)
class Teacher:
    """A network, or an ensemble of several, that a network learns from."""

    ensemble: Ensemble
    share: float
    """Of the targets; the label has the rest."""

    @classmethod
    def of(cls, config: Config, device: torch.device) -> Self | None:
        """Load the teacher that a config names, if it names one.

        Raises:
            UsageError: There is no such run, or it has learned from images that this one holds out.
            RunError: Its weights are missing or damaged.
        """
        if config.distil is None:
            return None
        runs = find_earlier(config.distil.teacher, config, ("distil", "teacher"))
        ensemble = Ensemble([load_classifier(run, device) for run in runs])
        return cls(ensemble, config.distil.share)

    def freeze(self) -> Self:
        """Return it with its networks in compiled kernels, where they are covered."""
        frozen = [classifier.freeze() for classifier in self.ensemble.classifiers]
        return replace(self, ensemble=Ensemble(frozen))

    def teach(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return what the network should say of images.

        Args:
            images: As the network will see it, in [0, 1], (B, C, H, W).
            targets: Labels, int64 (B,), or shares of each class, float32 (B, classes).

        Returns:
            Shares of each class, float32 (B, classes).
        """
        # Where kernels compute all of it, torch's threads would be in the way of theirs.
        frozen = all(classifier.network for classifier in self.ensemble.classifiers)
        with torch_threads(1) if frozen else nullcontext():
            said = self.ensemble(images)
            return torch.lerp(weigh_classes(targets, said.shape[-1]), said, self.share)
