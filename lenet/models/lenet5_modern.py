"""LeNet-5's shape as it is built today: full C3, max-pooling, ReLU, softmax."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lenet.models.activations import ACTIVATIONS
from lenet.models.arithmetic import require_input_size
from lenet.models.lenet5 import C1_TO_C5
from lenet.models.pooling import MaxPool2d

POOLINGS: dict[str, type[nn.Module]] = {"max": MaxPool2d, "average": nn.AvgPool2d}


class LeNet5Modern(nn.Module):
    """LeNet-5 with today's parts; 61,706 parameters without batch norm.

    Args:
        activation: A key of `ACTIVATIONS`, after C1, C3, C5 and F6.
        pooling: A key of `POOLINGS`, for S2 and S4.
        batch_norm: Normalize after C1, C3, C5 and F6, before the activation.
        dropout: Share of F6's units switched off in training, in [0, 1).
        size: Width and height of the input in pixels: 32.
        in_channels: Channels of the input.
        classes: Number of logits.

    Raises:
        UsageError: The input has another size.

    Deviation: unlike in 1998, C3 sees all channels of S2 (2,416 parameters, not 1,516), S2 and S4
    have neither parameters nor an activation, and the output is a linear layer, not distances.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        activation: str = "relu",
        pooling: str = "max",
        batch_norm: bool = False,
        dropout: float = 0.0,
        size: int = 32,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        require_input_size("LeNet-5", size, C1_TO_C5)
        super().__init__()

        def activation_after(norm: nn.Module) -> nn.Sequential:
            return nn.Sequential(*([norm] if batch_norm else []), ACTIVATIONS[activation]())

        # The norms are saved under these names, activation1.0 and so on.
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.activation1 = activation_after(nn.BatchNorm2d(6))
        self.s2 = POOLINGS[pooling](2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.activation3 = activation_after(nn.BatchNorm2d(16))
        self.s4 = POOLINGS[pooling](2)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.activation5 = activation_after(nn.BatchNorm2d(120))
        self.f6 = nn.Linear(120, 84)
        self.activation6 = activation_after(nn.BatchNorm1d(84))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Input (B, in_channels, 32, 32) → logits (B, classes)."""
        x = self.activation1(self.c1(x))  # (B, 6, 28, 28)
        x = self.s2(x)  # (B, 6, 14, 14)
        x = self.activation3(self.c3(x))  # (B, 16, 10, 10)
        x = self.s4(x)  # (B, 16, 5, 5)
        x = self.activation5(self.c5(x))  # (B, 120, 1, 1)
        x = self.activation6(self.f6(torch.flatten(x, 1)))  # (B, 84)
        logits: Tensor = self.output(self.dropout(x))  # (B, classes)
        return logits


def fold_batch_norm(model: LeNet5Modern) -> LeNet5Modern:
    """Return a network without batch norm that computes the same as a trained one with it.

    In evaluation, batch norm scales and shifts each channel, which the weights and biases before it
    can do as well. The result has 61,706 parameters for ten classes.

    Args:
        model: Built with ``batch_norm=True``, in evaluation mode; left unchanged.

    Raises:
        ValueError: The network has no batch norm, or is in training mode.
    """
    norms = [n for n in model.modules() if isinstance(n, nn.BatchNorm1d | nn.BatchNorm2d)]
    if model.training or not norms:
        raise ValueError("only a LeNet-5 with batch norm, in evaluation mode, can be folded")
    folded = LeNet5Modern(dropout=model.dropout.p)
    folded.c1 = fuse_conv_bn_eval(model.c1, norms[0])
    folded.c3 = fuse_conv_bn_eval(model.c3, norms[1])
    folded.c5 = fuse_conv_bn_eval(model.c5, norms[2])
    folded.f6 = fuse_linear_bn_eval(model.f6, norms[3])
    folded.activation1, folded.activation3 = model.activation1[1:], model.activation3[1:]
    folded.activation5, folded.activation6 = model.activation5[1:], model.activation6[1:]
    folded.s2, folded.s4, folded.output = model.s2, model.s4, model.output
    return folded.eval()
