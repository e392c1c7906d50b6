"""LeNet-5's shape as it is built today: full C3, max-pooling, ReLU, softmax."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lenet.models.activations import ACTIVATIONS
from lenet.models.pooling import MaxPool2d

POOLINGS: dict[str, type[nn.Module]] = {"max": MaxPool2d, "average": nn.AvgPool2d}


class LeNet5Modern(nn.Module):
    """LeNet-5 with today's parts; 61,706 weights without batch norm.

    Args:
        activation: A key of `ACTIVATIONS`, after C1, C3, C5 and F6.
        pooling: A key of `POOLINGS`, for S2 and S4.
        batch_norm: Normalise after C1, C3, C5 and F6, before the activation.
        dropout: Share of F6's units switched off in training, in [0, 1).
        size: Width and height of the input in pixels: 32.

    Deviation: against 1998, C3 sees all maps of S2 (2,416 weights, not 1,516), S2 and S4 have no
    weights and no squashing, and the output is ten weighted sums instead of distances.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        activation: str = "relu",
        pooling: str = "max",
        batch_norm: bool = False,
        dropout: float = 0.0,
        size: int = 32,
    ) -> None:
        super().__init__()
        if size != 32:
            raise ValueError(f"LeNet-5 looks at 32×32 pixels, not {size}×{size}")

        def squash(norm: nn.Module) -> nn.Sequential:
            return nn.Sequential(*([norm] if batch_norm else []), ACTIVATIONS[activation]())

        self.c1 = nn.Conv2d(1, 6, 5)
        self.squash1 = squash(nn.BatchNorm2d(6))
        self.s2 = POOLINGS[pooling](2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.squash3 = squash(nn.BatchNorm2d(16))
        self.s4 = POOLINGS[pooling](2)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.squash5 = squash(nn.BatchNorm2d(120))
        self.f6 = nn.Linear(120, 84)
        self.squash6 = squash(nn.BatchNorm1d(84))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Input (B, 1, 32, 32) → logits (B, 10)."""
        x = self.squash1(self.c1(x))  # (B, 6, 28, 28)
        x = self.s2(x)  # (B, 6, 14, 14)
        x = self.squash3(self.c3(x))  # (B, 16, 10, 10)
        x = self.s4(x)  # (B, 16, 5, 5)
        x = self.squash5(self.c5(x))  # (B, 120, 1, 1)
        x = self.squash6(self.f6(torch.flatten(x, 1)))  # (B, 84)
        logits: Tensor = self.output(self.dropout(x))  # (B, 10)
        return logits
