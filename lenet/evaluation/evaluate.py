"""Errors of a network on images, counted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lenet.data.preprocessing import scale_pixels
from lenet.losses import are_wrong
from lenet.rng import generator
from lenet.statistics import describe_errors, wilson_interval
from lenet.tables import WRONG, Table


@dataclass(frozen=True)
class Result:
    """What a network made of a set of images; sums and counts, divided only when asked."""

    n: int
    errors: int
    loss_sum: float
    confusion: Tensor
    """Images by true class (row) and prediction (column), int64 (classes, classes); of strings, the
    characters of those whose length was read correctly."""
    classes: tuple[str, ...]
    """The classes' names."""

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

    def table(self) -> Table:
        """Return the confusion matrix, with the errors of each class beside it."""
        cells = self.confusion.tolist()
        wrong: dict[int | tuple[int, int], str] = {
            (k, predicted + 1): WRONG
            for k, row in enumerate(cells)
            for predicted, n in enumerate(row)
            if n and predicted != k
        }
        return Table(
            ["true \\ pred", *self.classes, "errors"],
            [
                [name, *(f"{cell:,}" if cell else "·" for cell in row), f"{errors:,}"]
                for name, row, errors in zip(self.classes, cells, self.errors_by_class, strict=True)
            ],
            styles=wrong,
            otherwise=self.confusions(),
        )

    def confusions(self) -> Table:
        """Return each class's images, its errors, and what it is taken for, most often first."""
        rows = []
        for k, (name, row) in enumerate(zip(self.classes, self.confusion.tolist(), strict=True)):
            order = sorted(range(len(row)), key=lambda other: -row[other])
            taken = [
                f"{self.classes[other]} {row[other]:,}"
                for other in order
                if row[other] and other != k
            ]
            rows.append(
                [name, f"{sum(row):,}", f"{self.errors_by_class[k]:,}", ", ".join(taken[:5])]
            )
        return Table(["true", "images", "errors", "predicted"], rows, frozenset({0, 3}))


@torch.inference_mode()
def infer(
    model: nn.Module, preprocess: nn.Module, images: Tensor, batch_size: int = 1000
) -> Tensor:
    """Return a network's outputs on images, float32 (N, classes), on the images' device.

    Args:
        model: The network; it is put into evaluation mode.
        preprocess: The `Preprocessing` that it was trained with.
        images: (N, C, H, W), uint8 or float in [0, 1].
        batch_size: Images at a time.
    """
    model.eval()
    outputs = []
    for batch in torch.split(images, batch_size):
        outputs.append(model(preprocess(to_floats(batch))))
    return torch.cat(outputs)


def to_floats(images: Tensor) -> Tensor:
    """Return images, uint8 or float, as floats in [0, 1]."""
    return images if images.is_floating_point() else scale_pixels(images)


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
    """Return a network's mean outputs over several augmented draws of each image, (N, classes).

    Args:
        model: The network; it is put into evaluation mode.
        preprocess: The `Preprocessing` that it was trained with.
        images: uint8 (N, C, H, W).
        augment: Images, no labels, generator → images.
        draws: At least 1.
        seed: Of the draws, which also depend on the batch size.
        batch_size: Images at a time.
    """
    model.eval()
    total: Tensor | float = 0.0
    for draw in range(draws):
        outputs = [
            model(
                preprocess(
                    augment(scale_pixels(batch), None, generator(seed, "evaluate", draw, step))
                )
            )
            for step, batch in enumerate(torch.split(images, batch_size))
        ]
        total = total + torch.cat(outputs)
    return torch.as_tensor(total) / draws


def count_errors(
    outputs: Tensor,
    labels: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    classes: tuple[str, ...],
) -> Result:
    """Count the errors of a network's outputs.

    Args:
        outputs: (N, classes), or of lines (N, T, classes + 1).
        labels: (N,), or of lines (N, L), -1 behind the last.
        loss: Outputs and labels → losses (N,).
        classify: Outputs → labels.
        classes: Their names.
    """
    k, predicted = len(classes), classify(outputs)
    wrong = are_wrong(predicted, labels)
    true = labels
    if labels.dim() == 2:
        there = labels >= 0
        as_long = there.sum(1) == (predicted >= 0).sum(1)
        there = there[as_long]
        true = labels[as_long][there]
        predicted = predicted[as_long, : labels.shape[1]][there]
    cells = torch.bincount(true * k + predicted, minlength=k * k)
    return Result(
        n=len(labels),
        errors=int(wrong.sum()),
        loss_sum=float(loss(outputs, labels).double().sum()),
        confusion=cells.view(k, k).cpu(),
        classes=classes,
    )
