"""A network that reads a whole line of digits, whatever its width, without cutting it up."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lenet.errors import UsageError

HALVED = 3  # times that a line's height is halved; its width is halved once


class Line(nn.Sequential):
    """Convolutions over a line, and the logits of the classes in each of its columns.

    (B, in_channels, size, W) inputs become (B, (W + 1) // 2, classes + 1) logits: for every second
    column of pixels, those of each class and, last, of the blank between characters. Training is
    by connectionist temporal classification, which needs no places of the characters.

    Args:
        size: Height of a line in pixels, a multiple of 8.
        channels: Channels of the first convolution, which halves height and width, of those before
            the height is halved again and again (as many each time), of the one that sees what is
            left of the height, and of the one along the line.
        context: Columns that the last one sees, odd.
        in_channels: Channels of the input.
        classes: Number of classes.

    Raises:
        UsageError: `size` is no multiple of 8, the number of `channels` is not 5, 7, 9, …, or
            `context` is even.

    Source: the 1998 paper's section VII reads a line with a network that is applied to every
    place; the loss is of Graves et al. 2006, and such networks of convolutions alone were shown by
    Puigcerver 2017 and others.
    """

    outputs: ClassVar[Literal["penalties", "logits", "columns"]] = "columns"

    def __init__(
        self,
        size: int = 32,
        channels: Sequence[int] = (16, 24, 40, 64, 64),
        context: int = 9,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        left, rest = divmod(size, 2**HALVED)
        if rest or not left:
            raise UsageError(f"lines are 8, 16, 24, … pixels high, not {size}")
        if context % 2 == 0:
            raise UsageError(f"context must be odd, not {context}", ("context",))
        each, rest = divmod(len(channels) - 3, 2)
        if rest or each < 1:
            raise UsageError(
                f"a line's network has 5, 7, 9, … convolutions, not {len(channels)}", ("channels",)
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        kernels = [(5, 5), *[(3, 3)] * 2 * each, (left, 3), (1, context)]
        before = in_channels
        for number, (after, (rows, columns)) in enumerate(
            zip(channels, kernels, strict=True), start=1
        ):
            padding = (rows // 2 if number <= 1 + 2 * each else 0, columns // 2)
            stride = 2 if number == 1 else 1
            # Batch norm brings the bias.
            layers[f"c{number}"] = nn.Conv2d(
                before, after, (rows, columns), stride, padding, bias=False
            )
            layers[f"norm{number}"] = nn.BatchNorm2d(after)
            layers[f"act{number}"] = nn.ReLU()
            if number in (1 + each, 1 + 2 * each):
                layers[f"pool{number}"] = nn.MaxPool2d((2, 1))
            before = after
        # By default (B, 16, 16, W/2), (B, 24, 8, W/2), (B, 40, 4, W/2), (B, 64, 1, W/2) twice.
        layers["output"] = nn.Conv2d(before, classes + 1, 1)
        super().__init__(layers)
        self.to(memory_format=torch.channels_last)  # a tenth faster on a CPU

    def forward(self, lines: Tensor) -> Tensor:
        """Lines (B, in_channels, size, W) → logits (B, (W + 1) // 2, classes + 1)."""
        states = lines
        for layer in self:
            states = layer(states)
        return states[:, :, 0].transpose(1, 2)
