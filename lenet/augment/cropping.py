"""Crops: a part of an image, shifted or enlarged."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.augment.arguments import MOST, integer, interval, is_sequence, refuse
from lenet.augment.draws import rectangles
from lenet.augment.sampling import Projection
from lenet.augment.transform import Parameters, Size
from lenet.errors import UsageError


class RandomCrop(Projection):
    """Crop a window at a random position of the padded image.

    Args:
        size: Side of the window in pixels, in [1, 1000], or (height, width).
        padding: Background to add first: pixels on all sides, or (left and right, top and
            bottom), or (left, top, right, bottom), each in [0, 1000]; None: none.
        pad_if_needed: Add what a window larger than the image lacks, on both sides.
        fill: Pixel value of the padding, in [0, 1].
        p: Probability of an image being cropped, in [0, 1]; the others are cropped at the centre.

    Deviation: padding is constant; torchvision's other padding modes are missing. In a chain of
    geometry, pixels outside the window are not lost: a later rotation or shift can bring them back.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(None, fill, p)  # by whole pixels
        self.size = _height_width(self, size)
        self.padding = _four_sides(self, padding)
        if not isinstance(pad_if_needed, bool):
            raise refuse(self, "pad_if_needed", pad_if_needed, "true or false")
        self.pad_if_needed = pad_if_needed

    def output_size(self, size: Size) -> Size:
        """Return the window's size.

        Raises:
            UsageError: The window is larger than the padded image, and not padded if needed.
        """
        left, top, right, bottom = self.padding
        padded = (size[0] + top + bottom, size[1] + left + right)
        if not self.pad_if_needed and (self.size[0] > padded[0] or self.size[1] > padded[1]):
            raise UsageError(
                f"RandomCrop: size {list(self.size)} is larger than the padded image"
                f" of {padded[0]}×{padded[1]}",
                ("RandomCrop", "size"),
            )
        return self.size

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``left`` and ``top``: the window's corner in pixels of the unpadded image, (B,).

        Raises:
            UsageError: As `output_size`.
        """
        self.output_size(size)
        left, top, right, bottom = self.padding
        corners = {}
        for name, length, wanted, before, after in (
            ("left", size[1], self.size[1], left, right),
            ("top", size[0], self.size[0], top, bottom),
        ):
            lacking = max(wanted - (length + before + after), 0)
            before, after = before + lacking, after + lacking
            corner = torch.randint(
                length + before + after - wanted + 1, (batch,), generator=generator
            )
            corners[name] = (corner - before).float()
        return corners

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return shifts, (B, 3, 3)."""
        left, top = parameters["left"], parameters["top"]
        matrices = torch.eye(3, dtype=left.dtype, device=left.device).repeat(len(left), 1, 1)
        matrices[:, 0, 2] = left + (self.size[1] - size[1]) / 2
        matrices[:, 1, 2] = top + (self.size[0] - size[0]) / 2
        return matrices


class RandomResizedCrop(Projection):
    """Crop a window of random area and aspect ratio and resize it to `size`.

    Args:
        size: Side of the result in pixels, in [1, 1000], or (height, width).
        scale: (min, max) area of the window as a fraction of the image, each in (0, 1].
        ratio: (min, max) width by height of the window, each in [0.001, 1000].
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1], which shows in the outermost pixels of
            windows at the image's edge; None: as in neighbouring geometry, 0 if there is none.
        p: Probability of an image being cropped, in [0, 1]; the others are cropped at the centre.

    Deviation: the result's outermost pixels interpolate between the window's last pixels and those
    next to the window, since the crop may be part of a chain; torchvision repeats the window's last
    pixels. All other pixels are equal. A later rotation or shift of the chain can bring back pixels
    outside the window. There is no `antialias`: shrinking is not antialiased.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str | None = "bilinear",
        fill: float | None = None,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.size = _height_width(self, size)
        self.scale = interval(self, "scale", scale, 0, 1, above=True)
        self.ratio = interval(self, "ratio", ratio, 0.001, 1000)

    def output_size(self, size: Size) -> Size:
        """Return the result's size."""
        return self.size

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw windows ``top``, ``left``, ``height``, ``width`` in pixels, (B,)."""
        pixels = size[0] * size[1]
        widths, heights = rectangles(batch, pixels, self.scale, self.ratio, generator)
        fits = (widths > 0) & (widths <= size[1]) & (heights > 0) & (heights <= size[0])
        first = fits.long().argmax(1, keepdim=True)
        central = self._central(size)
        height = torch.where(fits.any(1), heights.gather(1, first).squeeze(1), central[0])
        width = torch.where(fits.any(1), widths.gather(1, first).squeeze(1), central[1])
        top = (torch.rand(batch, generator=generator) * (size[0] - height + 1)).floor()
        left = (torch.rand(batch, generator=generator) * (size[1] - width + 1)).floor()
        top = torch.where(fits.any(1), top, float((size[0] - central[0]) // 2))
        left = torch.where(fits.any(1), left, float((size[1] - central[1]) // 2))
        return {"top": top, "left": left, "height": height, "width": width}

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return scalings to the window, (B, 3, 3)."""
        top, left = parameters["top"], parameters["left"]
        height, width = parameters["height"], parameters["width"]
        matrices = torch.zeros(len(top), 3, 3, dtype=top.dtype, device=top.device)
        matrices[:, 0, 0] = width / self.size[1]
        matrices[:, 1, 1] = height / self.size[0]
        matrices[:, 2, 2] = 1
        matrices[:, 0, 2] = left + width / 2 - size[1] / 2
        matrices[:, 1, 2] = top + height / 2 - size[0] / 2
        return matrices

    def _central(self, size: Size) -> tuple[float, float]:
        """Return (height, width) of torchvision's window where none of its trials fitted."""
        height, width = size
        if width / height < self.ratio[0]:
            return float(max(round(width / self.ratio[0]), 1)), float(width)
        if width / height > self.ratio[1]:
            return float(height), float(max(round(height * self.ratio[1]), 1))
        return float(height), float(width)


def _height_width(owner: object, size: int | Sequence[int]) -> Size:
    if isinstance(size, list | tuple) and len(size) == 2:
        return integer(owner, "size", size[0], 1), integer(owner, "size", size[1], 1)
    side = integer(owner, "size", size[0] if is_sequence(size, 1) else size, 1)  # type: ignore[index]
    return side, side


def _four_sides(owner: object, padding: int | Sequence[int] | None) -> tuple[int, int, int, int]:
    padding = 0 if padding is None else padding
    sides = list(padding) if isinstance(padding, list | tuple) else [padding]
    if len(sides) not in (1, 2, 4):
        raise refuse(owner, "padding", padding, f"1, 2 or 4 whole numbers in [0, {MOST}]")
    left, top, right, bottom = (
        integer(owner, "padding", side, 0) for side in (sides * 4)[:4]
    )  # 1: all alike; 2: left and right, top and bottom
    return left, top, right, bottom
