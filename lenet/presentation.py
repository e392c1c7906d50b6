"""How a picture is presented to a network: its grey levels, and the background around it."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.random import generator

LEVELS: dict[str, tuple[float, float]] = {
    "paper": (-0.1, 1.175),
    "lush": (0.0, 2.55),
    "unit": (0.0, 1.0),
    "standard": (-0.1307 / 0.3081, (1 - 0.1307) / 0.3081),
}
"""What background and full ink become. 0.1307 and 0.3081 are the mean and the standard deviation of
MNIST's training pixels."""


class Presentation(nn.Module):
    """Scale ink to grey levels and surround the picture with background.

    Args:
        levels: ``paper`` (background -0.1, ink 1.175), ``lush`` (0, 2.55), ``unit`` (0, 1) or
            ``standard``.
        size: Width and height of the result in pixels, at least the picture's.
        shuffle: Seed of a shuffle that puts all pixels of the result elsewhere, in every picture
            alike; None leaves them in place.
        scale: Factor on the picture's width and height, in (0, 1]; the area that falls on a pixel
            is averaged.

    Source: Section II.B of the 1998 paper for the levels and for 32×32.

    Deviation: the paper says that its levels make the mean about 0 and the variance about 1; on
    MNIST they make 0.03 and 0.35² over the 32×32 field. The levels are kept.
    """

    places: Tensor | None

    def __init__(
        self,
        levels: Literal["paper", "lush", "unit", "standard"],
        size: int,
        shuffle: int | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.background, self.full = LEVELS[levels]
        self.size = size
        self.scale = scale
        self.places = None
        if shuffle is not None:
            self.places = torch.randperm(size * size, generator=generator(shuffle, "pixels"))

    def forward(self, ink: Tensor) -> Tensor:
        """Ink in [0, 1], (B, 1, H, W) → input (B, 1, size, size)."""
        if self.scale != 1:
            ink = F.interpolate(ink, scale_factor=self.scale, mode="bilinear", antialias=True)
        spare_y, spare_x = self.size - ink.shape[-2], self.size - ink.shape[-1]
        top, left = spare_y // 2, spare_x // 2
        padded = F.pad(ink, (left, spare_x - left, top, spare_y - top))
        presented = padded * (self.full - self.background) + self.background
        if self.places is None:
            return presented
        return presented.flatten(1)[:, self.places].view_as(presented)
