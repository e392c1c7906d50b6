"""LeNet-4, as far as the paper describes it."""

from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.arithmetic import require_input_size
from lenet.models.layers import PartialConvolution, draw_weights
from lenet.models.lenet5 import C1_TO_C5, trunk

# S2's maps 2m and 2m + 1 both look at C1's map m. Twelve of C3's maps see one of each pair and
# four see three, so that there are 60 kernels, as in LeNet-5.
C3_TABLE = tuple(tuple(2 * m + (o >> m & 1) for m in range(4 if o < 12 else 3)) for o in range(16))

# Each of the 120 units sees five neighbouring maps of S4.
C5_TABLE = tuple(tuple(sorted((u + i) % 16 for i in range(5))) for u in range(120))


class LeNet4(nn.Sequential):
    """The network of Section III-C.7, from 32×32 pixels to a logit per class;
    17,998 parameters for ten classes.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.
        in_channels: Channels of the input.
        classes: Number of logits.

    Raises:
        UsageError: The input has another size.

    Deviation: the paper gives the maps of each layer, about 260,000 connections and about 17,000
    parameters, but neither connection table; a complete C5 alone would have 48,120 parameters. The
    two tables here give 259,306 connections and 17,998 parameters.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        init: str = "inverse-sqrt-fan-in",
        size: int = 32,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        require_input_size("LeNet-4", size, C1_TO_C5)
        layers = trunk(in_channels, 4, C3_TABLE, copies=2)  # (B, 16, 5, 5)
        layers |= {
            "c5": PartialConvolution(16, C5_TABLE),  # (B, 120, 1, 1)
            "c5_squash": ScaledTanh(),
            "flatten": nn.Flatten(),  # (B, 120)
            "output": nn.Linear(120, classes),  # (B, classes)
            "output_squash": ScaledTanh(),
        }
        super().__init__(layers)
        draw_weights(self, init)
