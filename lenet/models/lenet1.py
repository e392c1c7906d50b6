"""LeNet-1, the small ancestor: 2,578 trainable parameters, 98,442 connections."""

from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.arithmetic import require_input_size
from lenet.models.layers import draw_weights
from lenet.models.lenet5 import C1_TO_S4, trunk

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
    """The network of Section III-C.6, from 28×28 pixels to a logit per class.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 28.
        in_channels: Channels of the input.
        classes: Number of logits.

    Raises:
        UsageError: The input has another size.

    Deviation: the layers are those of the 1989 description, since the 1998 paper only says that
    there are about 100,000 multiply-adds and 2,600 parameters.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        init: str = "inverse-sqrt-fan-in",
        size: int = 28,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        require_input_size("LeNet-1", size, C1_TO_S4, places=4)
        layers = trunk(in_channels, 4, C3_TABLE)  # (B, 12, 4, 4)
        layers |= {
            "flatten": nn.Flatten(),  # (B, 192)
            "output": nn.Linear(192, classes),  # (B, classes)
            "output_squash": ScaledTanh(),
        }
        super().__init__(layers)
        draw_weights(self, init)
