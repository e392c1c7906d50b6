"""A model together with what it needs to look at pictures and to be judged."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from lenet.config.schema import MLP, Config, Layers
from lenet.data.datasets import Split
from lenet.data.preprocessing import Preprocessing
from lenet.device import naming_memory
from lenet.errors import RunError, UsageError
from lenet.evaluation.evaluate import Result, count_errors, evaluate, infer, infer_draws
from lenet.losses import LOSSES, Loss, classify, probabilities
from lenet.models import build_model
from lenet.rng import derive_seed
from lenet.runs.files import check_layout
from lenet.runs.run import Run


@dataclass(frozen=True)
class Classifier:
    """A model with the preprocessing of its input, its loss, and the meaning of its outputs.

    Called on images, it returns the probability of each class.
    """

    model: nn.Module
    preprocess: Preprocessing
    loss: Loss
    """Outputs (B, 10) and targets → losses (B,)."""
    batch_size: int = 1000
    """Images at a time when evaluating."""

    @property
    def outputs(self) -> str:
        """``penalties`` (small is good) or ``logits`` (large is good)."""
        return str(self.model.outputs)

    def __call__(self, images: Tensor | npt.NDArray[Any]) -> Tensor:
        """Return the probability of each class, (N, 10), on the network's device.

        Args:
            images: (N, 1, 28, 28) or (N, 28, 28), uint8 or float in [0, 1], 0 is background.
        """
        batch = torch.as_tensor(images)
        batch = batch if batch.dim() == 4 else batch[:, None]
        device = next((weight.device for weight in self.model.parameters()), batch.device)
        return probabilities(self.infer(batch.to(device)), self.outputs)

    def classify(self, outputs: Tensor) -> Tensor:
        """Outputs (B, 10) → labels (B,)."""
        return classify(outputs, self.outputs)

    def evaluate(self, split: Split) -> Result:
        """Count the errors on a split that lies on the model's device."""
        with naming_memory("evaluate.batch_size", self.batch_size):
            return evaluate(
                self.model, self.preprocess, split, self.loss, self.classify, self.batch_size
            )

    def count(self, outputs: Tensor, labels: Tensor) -> Result:
        """Count the errors of outputs (N, 10) against labels (N,)."""
        return count_errors(outputs, labels, self.loss, self.classify)

    def evaluate_draws(
        self,
        split: Split,
        augment: Callable[[Tensor, None, torch.Generator], Tensor],
        draws: int,
        seed: int,
    ) -> Result:
        """Count the errors of the mean outputs over augmented draws; see `infer_draws`."""
        with naming_memory("evaluate.batch_size", self.batch_size):
            outputs = infer_draws(
                self.model, self.preprocess, split.images, augment, draws, seed, self.batch_size
            )
            return self.count(outputs, split.labels)

    def infer(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28), uint8 or float in [0, 1] → outputs (N, 10)."""
        with naming_memory("evaluate.batch_size", self.batch_size):
            return infer(self.model, self.preprocess, images, self.batch_size)


@dataclass(frozen=True)
class Ensemble:
    """Networks that decide together: called on images, it returns their mean probabilities."""

    classifiers: list[Classifier]

    def __call__(self, images: Tensor | npt.NDArray[Any]) -> Tensor:
        """Return the probability of each class, (N, 10); see `Classifier.__call__`."""
        return torch.stack([classifier(images) for classifier in self.classifiers]).mean(dim=0)


MAX_PARAMETERS = 100_000_000
"""A typing error must not fill the memory; the largest network that ships has 25 million."""


def build_classifier(config: Config, seed: int | None = None) -> Classifier:
    """Build the untrained network of a config; its weights derive from the seed (the config's).

    Raises:
        UsageError: It would have more than `MAX_PARAMETERS` weights.
    """
    _check_size(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed if seed is None else seed, "weights"))
        model = build_model(config.model.kind, config.input.size, **config.model.options())
    return Classifier(
        model,
        Preprocessing(**config.input.model_dump()),
        LOSSES[config.loss.kind](**config.loss.options()),
        config.evaluate.batch_size,
    )


def load_classifier(run: Run, device: torch.device | str = "cpu") -> Classifier:
    """Build a run's network and load the weights of its result.

    Raises:
        RunError: The weights are missing, damaged, or another network's.
    """
    classifier = build_classifier(run.config)
    weights = run.load_weights()
    try:
        check_layout(weights, classifier.model.state_dict())
    except RunError as error:
        raise RunError(f"{run.folder} holds the weights of another network: {error}") from error
    classifier.model.load_state_dict(weights)
    classifier.model.to(device).eval()
    return classifier


def _check_size(config: Config) -> None:
    """Refuse a network whose size is anybody's choice, and was chosen too large."""
    options = config.model.options()
    if isinstance(config.model, Layers):
        options["init"] = "torch"  # the others look at values, which there are none of on "meta"
    elif not isinstance(config.model, MLP):
        return
    with torch.device("meta"):  # shapes without memory
        model = build_model(config.model.kind, config.input.size, **options)
    weights = sum(weight.numel() for weight in model.parameters())
    if weights > MAX_PARAMETERS:
        message = f"{weights:,} weights are more than the {MAX_PARAMETERS:,} allowed"
        raise UsageError(message, ("model",))
