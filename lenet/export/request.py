"""What is to be exported, and how."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lenet.config.load import dump_config
from lenet.data.splits import make_splits
from lenet.evaluation.classifier import Classifier
from lenet.models.quantization import with_rounded_weights
from lenet.runs.run import Run
from lenet.training.experiment import load_data

CALIBRATION = 1_000
"""Training images that show how large the activations become."""


@dataclass(frozen=True)
class Request:
    """A network to be written for another program.

    Attributes:
        run: It was trained in.
        classifier: The network, in evaluation mode, on the CPU.
        path: The file; for a format of several files, the folder.
        preprocess: Whether the exported network takes pixels in [0, 1], (B, C, H, W), and returns
            probabilities; without, it takes preprocessed images and returns the model's outputs.
        quantize: Whether to bring weights and activations to 8 bits, where the format can hold
            both.
        data: A folder to look for the dataset in first, where training images are needed.
    """

    run: Run
    classifier: Classifier
    path: Path
    preprocess: bool = False
    quantize: bool = False
    data: Path | None = None

    @property
    def float_classifier(self) -> Classifier:
        """The network for formats without integers: rounded weights, states in floating point."""
        return replace(self.classifier, model=with_rounded_weights(self.classifier.model))

    @property
    def weight_bits(self) -> int:
        """Bits of each weight in integers: those that the network was trained with, else 8."""
        quantize = self.run.config.quantize
        return quantize.weights if quantize else 8

    def metadata(self) -> dict[str, str]:
        """Return what a file says of itself: the model, the classes as a JSON list, the config."""
        config = self.run.config
        return {
            "model": config.model.kind,
            "classes": json.dumps(self.classifier.data.classes, ensure_ascii=False),
            "config": dump_config(config),
        }

    def training_images(self, n: int = CALIBRATION) -> Tensor:
        """Return the first images that the network was trained on, uint8 (n, C, H, W).

        Raises:
            RunError: The dataset is missing or damaged.
        """
        config = self.run.config
        dataset = load_data(config, self.data)
        return make_splits(dataset, config, torch.device("cpu"), copies=False).train.images[:n]
