"""LeNet-5 as its authors showed it in 2002: no F6 and no bitmaps, a squashed logit per class."""

from typing import ClassVar, Literal

from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.arithmetic import require_input_size
from lenet.models.layers import draw_weights
from lenet.models.lenet5 import C1_TO_C5, C3_TABLE, trunk


class Lush(nn.Sequential):
    """The network of the Lush demonstration and of Bottou's reruns; 51,046 parameters.

    (B, in_channels, 32, 32) images become (B, classes) logits, trained towards +1 for the right
    class and -1 for the others.

    Args:
        init: How the weights start, a key of `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels: 32.
        in_channels: Channels of the input.
        classes: Number of logits.

    Raises:
        UsageError: The input has another size.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        init: str = "inverse-sqrt-fan-in",
        size: int = 32,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        require_input_size("LeNet-5", size, C1_TO_C5)
        layers = trunk(in_channels, 6, C3_TABLE)  # (B, 16, 5, 5)
        layers |= {
            "c5": nn.Conv2d(16, 120, 5),  # (B, 120, 1, 1)
            "c5_squash": ScaledTanh(),
            "flatten": nn.Flatten(),  # (B, 120)
            "output": nn.Linear(120, classes),  # (B, classes)
            "output_squash": ScaledTanh(),
        }
        super().__init__(layers)
        draw_weights(self, init)
