"""Activations by name."""

import torch
from torch import Tensor, nn

AMPLITUDE = 1.7159
SLOPE = 2 / 3


class ScaledTanh(nn.Module):
    """The 1998 squashing function 1.7159 tanh(2a/3), which is ±1 at ±1.

    Source: Section II.B and Appendix A of the 1998 paper.
    """

    def forward(self, a: Tensor) -> Tensor:
        """Weighted sums of any shape → states of the same shape, in ±1.7159."""
        return AMPLITUDE * torch.tanh(SLOPE * a)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "scaled-tanh": ScaledTanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
