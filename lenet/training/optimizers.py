"""Optimizers of gradient descent, and the average of the weights that they pass through."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn


def sgd(model: nn.Module, lr: float, weight_decay: float, **options: Any) -> torch.optim.Optimizer:
    """Return SGD on a model's weights, decaying weights but not biases."""
    return torch.optim.SGD(decay_groups(model, weight_decay), lr=lr, **options)


def adamw(
    model: nn.Module, lr: float, weight_decay: float, betas: Sequence[float]
) -> torch.optim.Optimizer:
    """Return AdamW on a model's weights, decaying weights but not biases."""
    return torch.optim.AdamW(decay_groups(model, weight_decay), lr=lr, betas=(betas[0], betas[1]))


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": sgd, "adamw": adamw}


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Divide trainable weights: matrices and kernels decay, biases and batch norm do not."""
    weights = [w for w in model.parameters() if w.requires_grad]
    return [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.dim() <= 1], "weight_decay": 0.0},
    ]


class WeightAverage:
    """The exponential moving average of a model's weights and of its batch-norm statistics.

    Args:
        model: The model to follow.
        decay: Share of the average that each update keeps, in (0, 1); smaller at first, so that the
            start is forgotten.

    (`torch.optim.swa_utils.AveragedModel` begins with the first weights and keeps its count in the
    module; the kernels need the share before an update, and weights under their own names.)
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model).eval()
        self.decay = decay
        self.updates = 0

    def advance(self) -> float:
        """Count an update, and return the share of the average that it keeps."""
        self.updates += 1
        return min(self.decay, self.updates / (self.updates + 10))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights."""
        decay = self.advance()
        new = model.state_dict()
        averages, values = [], []
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                values.append(new[name])
            else:
                average.copy_(new[name])
        torch._foreach_lerp_(averages, values, 1 - decay)
