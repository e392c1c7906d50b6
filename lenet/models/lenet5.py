"""LeNet-5 exactly as in 1998: 60,000 trainable parameters, 340,908 connections."""

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.bitmaps import digit_bitmaps
from lenet.models.layers import RBF, PartialConvolution, Subsampling, draw_weights

# Which of S2's six maps each of C3's sixteen maps sees: six runs of three neighbours, six runs of
# four, three broken fours, and one that sees all. Source: Table I.
C3_TABLE = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(nn.Sequential):
    """The network of the paper's Section II-B, from 32×32 pixels to ten penalties.

    (B, 1, 32, 32) images become (B, 10) squared distances to the ten bitmaps; the smallest one is
    the predicted digit.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "penalties"

    def __init__(self, init: str = "inverse-sqrt-fan-in", size: int = 32) -> None:
        if size != 32:
            raise ValueError(f"LeNet-5 looks at 32×32 pixels, not {size}×{size}")
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            c1=nn.Conv2d(1, 6, 5),  # (B, 6, 28, 28)
            c1_squash=ScaledTanh(),
            s2=Subsampling(6),  # (B, 6, 14, 14)
            s2_squash=ScaledTanh(),
            c3=PartialConvolution(6, C3_TABLE),  # (B, 16, 10, 10)
            c3_squash=ScaledTanh(),
            s4=Subsampling(16),  # (B, 16, 5, 5)
            s4_squash=ScaledTanh(),
            c5=nn.Conv2d(16, 120, 5),  # (B, 120, 1, 1): full, but a convolution on larger inputs
            c5_squash=ScaledTanh(),
            flatten=nn.Flatten(),  # (B, 120)
            f6=nn.Linear(120, 84),  # (B, 84)
            f6_squash=ScaledTanh(),
            output=RBF(digit_bitmaps()),  # (B, 10)
        )
        super().__init__(layers)
        draw_weights(self, init)
