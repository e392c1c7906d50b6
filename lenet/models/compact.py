"""A small network of today: 3×3 convolutions, batch norm, global average pooling."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn

from lenet.errors import UsageError


class Compact(nn.Sequential):
    """3×3 convolutions and one linear layer; 58,974 parameters by default, LeNet-5 has 60,000.

    (B, in_channels, size, size) inputs become (B, classes) logits. Each channel of the last
    convolution is averaged over its positions, so that it measures how much of a feature there is,
    wherever it is.

    Args:
        size: Width and height of the input in pixels, at least 28.
        channels: Channels of each convolution. The last one has no padding.
        pooled: The convolutions after which height and width are halved, counted from 1. The
            earlier they are, the faster the network, with the same number of parameters.
        in_channels: Channels of the input.
        classes: Number of logits.

    Raises:
        UsageError: `pooled` names a convolution that is not there, or nothing is left to look at.

    Source: batch norm from Ioffe and Szegedy 2015; global average pooling from Lin, Chen and Yan
    2013, section 3.2; 3×3 kernels, twice between poolings, from Simonyan and Zisserman 2014.
    """

    outputs: ClassVar[Literal["penalties", "logits"]] = "logits"

    def __init__(
        self,
        size: int = 28,
        channels: Sequence[int] = (12, 24, 24, 40, 48, 56),
        pooled: Sequence[int] = (1, 3),
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        if not all(1 <= number < len(channels) for number in pooled):
            raise UsageError(
                f"pooled must be of the convolutions 1 to {len(channels) - 1}, not {list(pooled)}",
                ("pooled",),
            )
        halved = len(set(pooled))
        if size >> halved < 3:
            raise UsageError(
                f"{size}×{size} pixels, halved {halved} times, are too few for a 3×3 kernel",
                ("pooled",),
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        before = in_channels
        for number, after in enumerate(channels, start=1):
            padding = 0 if number == len(channels) else 1
            # Batch norm brings the bias.
            layers[f"c{number}"] = nn.Conv2d(before, after, 3, padding=padding, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(after)
            layers[f"act{number}"] = nn.ReLU()
            if number in pooled:
                layers[f"pool{number}"] = nn.MaxPool2d(2)
            before = after
        # By default (B, 12, 14, 14), (B, 24, 14, 14), (B, 24, 7, 7), (B, 40, 7, 7), (B, 48, 7, 7)
        # and (B, 56, 5, 5).
        layers["average"] = nn.AdaptiveAvgPool2d(1)  # (B, channels, 1, 1)
        layers["flatten"] = nn.Flatten()  # (B, channels)
        layers["output"] = nn.Linear(before, classes)
        super().__init__(layers)
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU
