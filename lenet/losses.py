"""Losses, and what outputs mean.

A network puts out either *scores* (large is good) or, with the RBF output of 1998, *penalties*
(small is good). `classify` and `probabilities` are the only places that know.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Scores (B, 10) and labels (B,) or shares (B, 10) → losses (B,)."""
    return F.cross_entropy(outputs, targets, label_smoothing=label_smoothing, reduction="none")


def squared_targets(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the squared distance of scores (B, 10) to +1 for the right class, -1 elsewhere."""
    shares = F.one_hot(targets, 10).to(outputs.dtype) if targets.dim() == 1 else targets
    return (outputs - (2 * shares - 1)).square().sum(1) / 2


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "squared-targets": squared_targets,
}


def classify(outputs: Tensor, kind: str) -> Tensor:
    """Outputs (B, 10), ``penalties`` or ``scores`` → labels (B,)."""
    return outputs.argmin(1) if kind == "penalties" else outputs.argmax(1)


def probabilities(outputs: Tensor, kind: str) -> Tensor:
    """Outputs (B, 10), ``penalties`` or ``scores`` → probability of each class (B, 10)."""
    return torch.softmax(-outputs if kind == "penalties" else outputs, 1)
