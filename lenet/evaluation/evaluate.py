"""Errors of a network on images, counted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lenet.data.datasets import CLASSES, Split
from lenet.data.preprocessing import scale_pixels
from lenet.rng import generator
from lenet.statistics import describe_errors, wilson_interval


@dataclass(frozen=True)
class Result:
    """What a network made of a set of images; sums and counts, divided only when asked."""

    n: int
    errors: int
    loss_sum: float
    confusion: Tensor
    """Images by true class (row) and prediction (column), int64 (10, 10)."""

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, 0 to 1."""
        return (self.n - self.errors) / self.n

    @property
    def loss(self) -> float:
        """Mean loss per image."""
        return self.loss_sum / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the error count."""
        return wilson_interval(self.errors, self.n)

    @property
    def errors_by_class(self) -> list[int]:
        """Wrong predictions among the images of each true class."""
        counts: list[int] = (self.confusion.sum(1) - self.confusion.diag()).tolist()
        return counts

    def __str__(self) -> str:
        return describe_errors(self.errors, self.n)

    def table(self) -> str:
        """Return the confusion matrix as text, with the errors of each class beside it."""
        head = "true \\ said " + "".join(f"{label:>6}" for label in range(CLASSES)) + "   errors"
        rows = [
            f"{label:>11} " + "".join(f"{cell or '·':>6}" for cell in row) + f"{errors:>9}"
            for label, (row, errors) in enumerate(
                zip(self.confusion.tolist(), self.errors_by_class, strict=True)
            )
        ]
        return "\n".join([head, *rows])


@torch.inference_mode()
def infer(
    model: nn.Module, preprocess: nn.Module, images: Tensor, batch_size: int = 1000
) -> Tensor:
    """Return a network's outputs on images, float32 (N, 10), on the images' device.

    Args:
        model: The network; it is put into evaluation mode.
        preprocess: The `Preprocessing` that it was trained with.
        images: (N, 1, 28, 28), uint8 or float in [0, 1].
        batch_size: Images at a time.
    """
    model.eval()
    outputs = []
    for batch in torch.split(images, batch_size):
        pixels = batch if batch.is_floating_point() else scale_pixels(batch)
        outputs.append(model(preprocess(pixels)))
    return torch.cat(outputs)


@torch.inference_mode()
def infer_draws(
    model: nn.Module,
    preprocess: nn.Module,
    images: Tensor,
    augment: Callable[[Tensor, None, torch.Generator], Tensor],
    draws: int,
    seed: int,
    batch_size: int = 1000,
) -> Tensor:
    """Return a network's mean outputs over several augmented draws of each image, (N, 10).

    Args:
        model: The network; it is put into evaluation mode.
        preprocess: The `Preprocessing` that it was trained with.
        images: uint8 (N, 1, 28, 28).
        augment: Images, no labels, generator → images.
        draws: At least 1.
        seed: Of the draws, which also depend on the batch size.
        batch_size: Images at a time.
    """
    model.eval()
    total = torch.zeros(len(images), CLASSES, device=images.device)
    for draw in range(draws):
        outputs = [
            model(
                preprocess(
                    augment(scale_pixels(batch), None, generator(seed, "evaluate", draw, step))
                )
            )
            for step, batch in enumerate(torch.split(images, batch_size))
        ]
        total += torch.cat(outputs)
    return total / draws


def evaluate(
    model: nn.Module,
    preprocess: nn.Module,
    split: Split,
    loss: Callable[[Tensor, Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    batch_size: int = 1000,
) -> Result:
    """Count a network's errors.

    Args:
        model: The network.
        preprocess: The `Preprocessing` that it was trained with.
        split: Images and labels, on the network's device.
        loss: Outputs (N, 10) and labels (N,) → losses (N,).
        classify: Outputs (N, 10) → labels (N,).
        batch_size: Images at a time; the counts do not depend on it.
    """
    outputs = infer(model, preprocess, split.images, batch_size)
    return count_errors(outputs, split.labels, loss, classify)


def count_errors(
    outputs: Tensor,
    labels: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
) -> Result:
    """Count the errors of outputs (N, 10) against labels (N,); see `evaluate`."""
    predictions = classify(outputs)
    cells = torch.bincount(labels * CLASSES + predictions, minlength=CLASSES * CLASSES)
    confusion = cells.view(CLASSES, CLASSES).cpu()
    n = len(labels)
    return Result(
        n=n,
        errors=n - int(confusion.diag().sum()),
        loss_sum=float(loss(outputs, labels).double().sum()),
        confusion=confusion,
    )
