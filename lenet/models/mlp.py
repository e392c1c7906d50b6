"""Fully connected networks on the flattened image, the linear classifier among them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from lenet.models.activations import ACTIVATIONS


class MLP(nn.Module):
    """A multi-layer perceptron.

    Args:
        hidden: Units of each hidden layer; empty for a linear classifier.
        activation: A key of `ACTIVATIONS`, after each hidden layer.
        output_activation: A key of `ACTIVATIONS`, after the outputs, or ``none``.
        dropout: Share of each hidden layer's units switched off in training, in [0, 1).
        size: Width and height of the input in pixels.
        in_channels: Channels of the input.
        classes: Number of outputs.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        hidden: Sequence[int] = (300, 100),
        activation: str = "relu",
        output_activation: str = "none",
        dropout: float = 0.0,
        size: int = 28,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        sizes = [in_channels * size * size, *hidden]
        for fan_in, units in pairwise(sizes):
            layers += [nn.Linear(fan_in, units), ACTIVATIONS[activation]()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(sizes[-1], classes))
        if output_activation != "none":
            layers.append(ACTIVATIONS[output_activation]())
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Input (B, in_channels, size, size) → logits (B, classes)."""
        logits: Tensor = self.layers(x)
        return logits


class Linear(MLP):
    """A weighted sum of the pixels for each class.

    Args:
        output_activation: A key of `ACTIVATIONS`, after the outputs, or ``none``.
        size: Width and height of the input in pixels.
        in_channels: Channels of the input.
        classes: Number of outputs.
    """

    def __init__(
        self,
        output_activation: str = "none",
        size: int = 28,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__(
            hidden=(),
            output_activation=output_activation,
            size=size,
            in_channels=in_channels,
            classes=classes,
        )
