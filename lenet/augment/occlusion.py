"""Transforms that hide parts of an image."""

from collections.abc import Sequence
from math import inf, log

import torch
from torch import Tensor

from lenet.augment.arguments import interval, number, refuse
from lenet.augment.transform import BatchTransform, Parameters, Size, uniform

MEAN_INK = 0.1307
"""Mean of MNIST's training pixels."""

TRIALS = 10
"""Rectangles that torchvision draws before it gives up finding one that fits."""


class RandomErasing(BatchTransform):
    """Erase a random rectangle.

    Args:
        p: Probability of an image being erased, in [0, 1].
        scale: (min, max) area as a fraction of the image, each in [0, 1].
        ratio: (min, max) height by width, each above 0.
        value: What the rectangle is filled with: ink in [0, 1], or ``random`` for a number of its
            own in each pixel.

    Source: Zhong et al. 2017, algorithm 1.

    Deviation: ``random`` is uniform in [0, 1] as in the paper (0 to 255 there); torchvision's is
    normal, meant for standardised images. As with torchvision, an image stays whole if none of ten
    rectangles fits into it.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str = 0.0,
    ) -> None:
        super().__init__(p)
        self.scale = interval(self, "scale", scale, 0, 1)
        self.ratio = interval(self, "ratio", ratio, 0, inf, above=True)
        if isinstance(value, str) and value != "random":
            raise refuse(self, "value", value, "a number in [0, 1] or 'random'")
        self.value = value if isinstance(value, str) else number(self, "value", value, 0, 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw boxes ``top``, ``left``, ``height``, ``width`` in pixels, and ``values``."""
        trials = batch * TRIALS
        area = uniform(trials, *self.scale, generator) * (size[0] * size[1])
        aspect = uniform(trials, log(self.ratio[0]), log(self.ratio[1]), generator).exp()
        heights = (area * aspect).sqrt().round_().view(batch, TRIALS)
        widths = (area / aspect).sqrt().round_().view(batch, TRIALS)
        fits = (heights < size[0]) & (widths < size[1])
        first = fits.long().argmax(1, keepdim=True)  # the first that fits, else one that does not
        fitting = fits.any(1)
        height = heights.gather(1, first).squeeze(1) * fitting
        width = widths.gather(1, first).squeeze(1) * fitting
        top = (torch.rand(batch, generator=generator) * (size[0] - height + 1)).floor()
        left = (torch.rand(batch, generator=generator) * (size[1] - width + 1)).floor()
        shape = (batch, 1, *size) if self.value == "random" else (batch, 1, 1, 1)
        values = torch.rand(shape, generator=generator)
        if isinstance(self.value, float):
            values.fill_(self.value)
        return {"top": top, "left": left, "height": height, "width": width, "values": values}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Fill the boxes."""
        top, left = parameters["top"], parameters["left"]
        bottom, right = top + parameters["height"], left + parameters["width"]
        inside = boxes(images, top, left, bottom, right)
        return torch.where(inside, parameters["values"], images)


def boxes(images: Tensor, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor:
    """Say which pixels lie in a box per image, [top, bottom) × [left, right), (B, 1, H, W)."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device)
    rows = (y >= top[:, None]) & (y < bottom[:, None])  # (B, H)
    columns = (x >= left[:, None]) & (x < right[:, None])  # (B, W)
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
