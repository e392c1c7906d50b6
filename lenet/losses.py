"""Losses, and how outputs become predictions.

A loss is built once, e.g. ``LOSSES["map"](j=1.0)``, and called with outputs (B, classes) and
targets, either labels (B,) int64 or class weights (B, classes) float; it returns one value per
image, (B,). `outputs` says which kind of network it is for: "penalties" (small is good), "logits",
or "columns": logits in each column of a line, (B, T, classes + 1), with labels (B, L).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Loss(Protocol):
    """One value per image from a network's outputs and the targets."""

    outputs: ClassVar[str]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) losses of (B, classes) outputs."""


class CurvedLoss(Loss, Protocol):
    """A loss whose derivatives the 1998 rule knows."""

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return dE/dy (..., classes)."""

    def curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return d²E/dy² (..., classes) of logits, or what the loss weighs each penalty with."""


def weigh_classes(targets: Tensor, classes: int) -> Tensor:
    """Return targets as float32 class weights (..., classes): labels become one-hot rows."""
    if targets.is_floating_point():
        return targets
    return F.one_hot(targets, classes).float()


@dataclass(frozen=True)
class MeanSquaredError:
    """The penalty of the correct class, E = y_D: F6 is pulled to that class's bitmap.

    Called MSE in the paper, where it is also the maximum-likelihood criterion. There is no ½.

    Source: Section II-C, equation 8.
    """

    outputs: ClassVar[str] = "penalties"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) penalties of the correct classes."""
        return (weigh_classes(targets, outputs.shape[-1]) * outputs).sum(dim=1)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return dE/dy, (..., classes)."""
        return weigh_classes(targets, outputs.shape[-1])

    def curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what the RBF layer's second derivatives are weighted with, (..., classes)."""
        return weigh_classes(targets, outputs.shape[-1])


@dataclass(frozen=True)
class MaximumAPosteriori:
    """Penalty of the correct class, which competes with the others: y_D + log(e^-j + Σ_i e^-y_i).

    Attributes:
        j: Penalty of a "rubbish" class, so that a class far from all others pushes none away;
            j > 0. The paper gives no value.

    Source: Section II-C, equation 9.
    """

    j: float = 0.1
    outputs: ClassVar[str] = "penalties"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) losses."""
        correct = (weigh_classes(targets, outputs.shape[-1]) * outputs).sum(dim=1)
        return correct + self._with_rubbish(outputs).logsumexp(dim=-1)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return dE/dy, (..., classes)."""
        share = self._with_rubbish(outputs).softmax(dim=-1)[..., :-1]
        return weigh_classes(targets, outputs.shape[-1]) - share

    def curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weights of `MeanSquaredError`: the paper gives no rule for this criterion.

        Deviation: the competing classes' part is left out, because it may be negative.
        """
        return weigh_classes(targets, outputs.shape[-1])

    def _with_rubbish(self, outputs: Tensor) -> Tensor:
        """Return the negative penalties with the rubbish class as the last, (..., classes + 1)."""
        return F.pad(-outputs, (0, 1), value=-self.j)


@dataclass(frozen=True)
class SquaredTargets:
    """½ Σ_i (y_i - t_i)² with t = +1 for the correct class and -1 for the others.

    Source: the criterion of the authors' later Lush demonstration; the paper does not say what the
    multilayer perceptrons were trained with, but its Appendix A recommends targets of ±1.
    """

    outputs: ClassVar[str] = "logits"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) losses."""
        return 0.5 * self.gradient(outputs, targets).square().sum(dim=1)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return dE/dy, (..., classes)."""
        return outputs - (2 * weigh_classes(targets, outputs.shape[-1]) - 1)

    def curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the diagonal of d²E/dy², which is one, (..., classes)."""
        return torch.ones_like(outputs)


@dataclass(frozen=True)
class CrossEntropy:
    """Softmax cross-entropy in nats.

    Attributes:
        label_smoothing: Share of the target given to all classes alike, in [0, 1].
    """

    label_smoothing: float = 0.0
    outputs: ClassVar[str] = "logits"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) losses."""
        return F.cross_entropy(
            outputs, targets, reduction="none", label_smoothing=self.label_smoothing
        )


@dataclass(frozen=True)
class ConnectionistTemporalClassification:
    """Minus the log of the probability of a string, over all ways to lay it along the columns.

    The last class is the blank, which stands between equal neighbours and may stand anywhere.

    Source: Graves et al. 2006, section 4.
    """

    outputs: ClassVar[str] = "columns"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the (B,) losses of logits (B, T, classes + 1) and labels (B, L), -1 after the end.

        A string that is too long for the columns costs nothing.
        """
        if torch.are_deterministic_algorithms_enabled():  # on a GPU its gradient is not
            outputs, targets = outputs.cpu(), targets.cpu()
        batch, columns, classes = outputs.shape
        lengths = (targets >= 0).sum(1)
        return F.ctc_loss(
            outputs.log_softmax(-1).transpose(0, 1), targets.clamp(min=0),
            torch.full((batch,), columns, dtype=torch.long), lengths,
            blank=classes - 1, reduction="none", zero_infinity=True,
        )  # fmt: skip


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquaredError,
    "map": MaximumAPosteriori,
    "squared-targets": SquaredTargets,
    "ctc": ConnectionistTemporalClassification,
}


def classify(outputs: Tensor, kind: str) -> Tensor:
    """Return the predicted labels (...,) int64 of outputs (..., classes).

    Args:
        outputs: What the network returned.
        kind: The network's `outputs`: "penalties", of which the smallest wins, or "logits", of
            which the largest does, or "columns", (..., T, classes + 1), whose best path is decoded
            into labels (..., T), filled up with -1.
    """
    if kind == "columns":
        return decode_best_path(outputs)
    return outputs.argmin(dim=-1) if kind == "penalties" else outputs.argmax(dim=-1)


def decode_best_path(outputs: Tensor) -> Tensor:
    """Return the labels of the likeliest path: repeats are one, blanks are left out.

    Args:
        outputs: Logits or probabilities (..., T, classes + 1), the blank last.

    Returns:
        int64 (..., T), -1 after the end of each string.
    """
    path = outputs.argmax(dim=-1)
    kept = path < outputs.shape[-1] - 1
    kept[..., 1:] &= path[..., 1:] != path[..., :-1]
    order = (~kept).int().argsort(dim=-1, stable=True)
    return path.masked_fill(~kept, -1).gather(-1, order)


def are_wrong(said: Tensor, labels: Tensor) -> Tensor:
    """Say which predictions are wrong, bool (..., B): classes, or strings as a whole.

    Args:
        said: What `classify` returned, (..., B), or strings (..., B, T).
        labels: (..., B), or strings (..., B, L) with L below T.
    """
    if said.shape == labels.shape:
        return said != labels
    padded = F.pad(labels, (0, said.shape[-1] - labels.shape[-1]), value=-1)
    return (said != padded).any(dim=-1)


def probabilities(outputs: Tensor, kind: str) -> Tensor:
    """Return class probabilities (..., classes): the softmax of logits or of -penalties."""
    return (-outputs if kind == "penalties" else outputs).softmax(dim=-1)
