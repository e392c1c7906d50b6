"""LeNet-1, the small ancestor: 2,578 trainable parameters, 98,442 connections."""

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.layers import PartialConvolution, Subsampling, draw_weights

# The 20 kernels between S2's four maps and C3's twelve. Uncertain: the 1998 paper gives no table;
# this one is quoted from memory of the network's first description ("Handwritten Digit Recognition
# with a Back-Propagation Network", NIPS 1989). Its 20 kernels give exactly that paper's numbers of
# parameters and connections.
C3_TABLE = (
    (0,),
    (0, 1),
    (0, 1),
    (1,),
    (0, 1),
    (0, 1),
    (2,),
    (2, 3),
    (2, 3),
    (3,),
    (2, 3),
    (2, 3),
)


class LeNet1(nn.Sequential):
    """The network of Section III-C.6, from 28×28 pixels to ten logits.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 28.

    Deviation: the layers are those of the 1989 description, since the 1998 paper only says that
    there are about 100,000 multiply-adds and 2,600 parameters.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(self, init: str = "inverse-sqrt-fan-in", size: int = 28) -> None:
        if size != 28:
            raise ValueError(f"LeNet-1 looks at 28×28 pixels, not {size}×{size}")
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            c1=nn.Conv2d(1, 4, 5),  # (B, 4, 24, 24)
            c1_squash=ScaledTanh(),
            s2=Subsampling(4),  # (B, 4, 12, 12)
            s2_squash=ScaledTanh(),
            c3=PartialConvolution(4, C3_TABLE),  # (B, 12, 8, 8)
            c3_squash=ScaledTanh(),
            s4=Subsampling(12),  # (B, 12, 4, 4)
            s4_squash=ScaledTanh(),
            flatten=nn.Flatten(),  # (B, 192)
            output=nn.Linear(192, 10),  # (B, 10)
            output_squash=ScaledTanh(),
        )
        super().__init__(layers)
        draw_weights(self, init)
