"""Transforms that hide parts of an image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.augment.arguments import integer, interval, number, refuse
from lenet.augment.draws import rectangles
from lenet.augment.transform import BatchTransform, Parameters, Size

MEAN_PIXEL = 0.1307
"""Mean of MNIST's training pixels."""


class RandomErasing(BatchTransform):
    """Erase a random rectangle.

    Args:
        p: Probability of an image being erased, in [0, 1].
        scale: (min, max) area as a fraction of the image, each in [0, 1].
        ratio: (min, max) height by width, each in [0.001, 1000].
        value: Pixel value of the rectangle, in [0, 1], or ``random``: drawn for each pixel.

    Source: Zhong et al. 2017, algorithm 1.

    Deviation: ``random`` is uniform in [0, 1] as in the paper (0 to 255 there); torchvision's is
    normal, meant for standardized images. There is no `inplace`. As in torchvision, an image stays
    unchanged if none of ten rectangles fits into it.
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
        self.ratio = interval(self, "ratio", ratio, 0.001, 1000)
        if value is None or (isinstance(value, str) and value != "random"):
            raise refuse(self, "value", value, "a number in [0, 1] or 'random'")
        self.value = value if isinstance(value, str) else number(self, "value", value, 0, 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw boxes ``top``, ``left``, ``height``, ``width`` in pixels, and ``values``."""
        pixels = size[0] * size[1]
        heights, widths = rectangles(batch, pixels, self.scale, self.ratio, generator)
        fits = (heights < size[0]) & (widths < size[1])
        first = fits.long().argmax(1, keepdim=True)  # the first that fits; if none does, any
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
    """Return which pixels lie in each image's box, [top, bottom) × [left, right), (B, 1, H, W)."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device)
    rows = (y >= top[:, None]) & (y < bottom[:, None])  # (B, H)
    columns = (x >= left[:, None]) & (x < right[:, None])  # (B, W)
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


class Cutout(BatchTransform):
    """Hide squares around random pixels; they may extend beyond the image.

    Args:
        n_holes: Number of squares, in [1, 1000].
        length: Their side in pixels, in [1, 1000].
        value: Pixel value of what is hidden, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: DeVries and Taylor 2017, section 3.2; names as in the authors' code.
    """

    def __init__(
        self, n_holes: int = 1, length: int = 8, value: float = 0.0, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.n_holes = integer(self, "n_holes", n_holes, 1)
        self.length = integer(self, "length", length, 1)
        self.value = number(self, "value", value, 0, 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw the squares' upper left corners ``top`` and ``left`` in pixels, (B, n_holes)."""
        shape = (batch, self.n_holes)
        return {
            "top": torch.randint(size[0], shape, generator=generator) - self.length // 2,
            "left": torch.randint(size[1], shape, generator=generator) - self.length // 2,
        }

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Hide the squares one after another."""
        for top, left in zip(parameters["top"].T, parameters["left"].T, strict=True):
            inside = boxes(images, top, left, top + self.length, left + self.length)
            images = images.masked_fill(inside, self.value)
        return images


class HideAndSeek(BatchTransform):
    """Divide the image into a grid and hide each cell independently.

    Args:
        grid: Cells along each side, in [1, 100]: ``grid`` × ``grid`` of them.
        p_hide: Probability of a cell being hidden, in [0, 1].
        value: Pixel value of what is hidden, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Singh and Lee 2017, section 3.1, who hide by the training set's mean so that the first
    layer's inputs keep their mean; 0.1307 is MNIST's.
    """

    def __init__(
        self, grid: int = 4, p_hide: float = 0.5, value: float = MEAN_PIXEL, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.grid = integer(self, "grid", grid, 1, 100)
        self.p_hide = number(self, "p_hide", p_hide, 0, 1)
        self.value = number(self, "value", value, 0, 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw which cells are ``hidden``, bool (B, grid, grid)."""
        shape = (batch, self.grid, self.grid)
        return {"hidden": torch.rand(shape, generator=generator) < self.p_hide}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Hide the cells."""
        height, width = images.shape[-2:]
        row = torch.arange(height, device=images.device) * self.grid // height
        column = torch.arange(width, device=images.device) * self.grid // width
        hidden = parameters["hidden"].index_select(1, row).index_select(2, column)  # (B, H, W)
        return images.masked_fill(hidden.unsqueeze(1), self.value)
