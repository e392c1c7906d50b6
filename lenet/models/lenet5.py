"""LeNet-5 exactly as in 1998: 60,000 trainable parameters, 340,908 connections."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import nn

from lenet.errors import UsageError
from lenet.models.activations import ScaledTanh
from lenet.models.arithmetic import require_input_size
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

C1_TO_S4 = {"c1": (5, 1), "s2": (2, 2), "c3": (5, 1), "s4": (2, 2)}
"""Size and stride of each layer's filters, from C1 to S4: the same in all networks of 1998."""

C1_TO_C5 = C1_TO_S4 | {"c5": (5, 1)}
"""The same up to C5, whose maps are single units on an input of the right size."""


class LeNet5(nn.Sequential):
    """The network of the paper's Section II-B, from 32×32 pixels to ten penalties.

    (B, in_channels, 32, 32) images become (B, 10) squared distances to the ten bitmaps; the
    smallest one is the predicted digit.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.
        in_channels: Channels of the input.
        classes: Number of classes: there are bitmaps for 10.

    Raises:
        UsageError: The input has another size, or there are more or fewer classes than bitmaps.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "penalties"

    def __init__(
        self,
        init: str = "inverse-sqrt-fan-in",
        size: int = 32,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        require_input_size("LeNet-5", size, C1_TO_C5)
        centres = digit_bitmaps()
        if classes != len(centres):
            raise UsageError(
                f"LeNet-5 of 1998 compares F6 with the bitmaps of {len(centres)} digits, but there"
                f" are {classes} classes; lush and lenet5-modern take any number"
            )
        layers = trunk(in_channels, 6, C3_TABLE)
        layers |= {
            "c5": nn.Conv2d(16, 120, 5),  # (B, 120, 1, 1): full, but a convolution on larger inputs
            "c5_squash": ScaledTanh(),
            "flatten": nn.Flatten(),  # (B, 120)
            "f6": nn.Linear(120, 84),  # (B, 84)
            "f6_squash": ScaledTanh(),
            "output": RBF(centres),  # (B, 10)
        }
        super().__init__(layers)
        draw_weights(self, init)


def trunk(
    in_channels: int, maps: int, table: Sequence[Sequence[int]], copies: int = 1
) -> OrderedDict[str, nn.Module]:
    """Return C1 to S4, with which all networks of 1998 begin.

    Args:
        in_channels: Channels of the input.
        maps: Maps of C1.
        table: For each of C3's maps, the maps of S2 that it sees.
        copies: How many maps of S2 look at each map of C1.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        c1=nn.Conv2d(in_channels, maps, 5),  # LeNet-5: (B, 6, 28, 28)
        c1_squash=ScaledTanh(),
        s2=Subsampling(maps * copies, copies=copies),  # (B, 6, 14, 14)
        s2_squash=ScaledTanh(),
        c3=PartialConvolution(maps * copies, table),  # (B, 16, 10, 10)
        c3_squash=ScaledTanh(),
        s4=Subsampling(len(table)),  # (B, 16, 5, 5)
        s4_squash=ScaledTanh(),
    )
    return layers
