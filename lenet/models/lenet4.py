"""LeNet-4, as far as the paper describes it."""

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.layers import PartialConvolution, Subsampling, draw_weights

# S2's maps 2m and 2m + 1 both look at C1's map m. Twelve of C3's maps see one of each pair and
# four see three, so that there are 60 kernels, as in LeNet-5.
C3_TABLE = tuple(tuple(2 * m + (o >> m & 1) for m in range(4 if o < 12 else 3)) for o in range(16))

# Each of the 120 units sees five neighbouring maps of S4.
C5_TABLE = tuple(tuple(sorted((u + i) % 16 for i in range(5))) for u in range(120))


class LeNet4(nn.Sequential):
    """The network of Section III-C.7, from 32×32 pixels to ten logits; 17,998 parameters.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.

    Deviation: the paper gives the maps of each layer, about 260,000 connections and about 17,000
    parameters, but neither connection table; a complete C5 alone would have 48,120 parameters. The
    two tables here give 259,306 connections and 17,998 parameters.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(self, init: str = "inverse-sqrt-fan-in", size: int = 32) -> None:
        if size != 32:
            raise ValueError(f"LeNet-4 looks at 32×32 pixels, not {size}×{size}")
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            c1=nn.Conv2d(1, 4, 5),  # (B, 4, 28, 28)
            c1_squash=ScaledTanh(),
            s2=Subsampling(8, copies=2),  # (B, 8, 14, 14)
            s2_squash=ScaledTanh(),
            c3=PartialConvolution(8, C3_TABLE),  # (B, 16, 10, 10)
            c3_squash=ScaledTanh(),
            s4=Subsampling(16),  # (B, 16, 5, 5)
            s4_squash=ScaledTanh(),
            c5=PartialConvolution(16, C5_TABLE),  # (B, 120, 1, 1)
            c5_squash=ScaledTanh(),
            flatten=nn.Flatten(),  # (B, 120)
            output=nn.Linear(120, 10),  # (B, 10)
            output_squash=ScaledTanh(),
        )
        super().__init__(layers)
        draw_weights(self, init)
