"""LeNet-5 as its authors showed it in 2002: no F6 and no bitmaps, ten squashed logits."""

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.layers import PartialConvolution, Subsampling, draw_weights
from lenet.models.lenet5 import C3_TABLE


class Lush(nn.Sequential):
    """The network of the Lush demonstration and of Bottou's reruns; 51,046 parameters.

    (B, 1, 32, 32) images become (B, 10) logits, trained towards +1 for the right class and -1 for
    the others.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

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
            c5=nn.Conv2d(16, 120, 5),  # (B, 120, 1, 1)
            c5_squash=ScaledTanh(),
            flatten=nn.Flatten(),  # (B, 120)
            output=nn.Linear(120, 10),  # (B, 10)
            output_squash=ScaledTanh(),
        )
        super().__init__(layers)
        draw_weights(self, init)
