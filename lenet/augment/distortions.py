"""Distortions that torchvision lacks: stretching, squeezing, rotation or shear by class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.augment.arguments import integer, interval, number, refuse
from lenet.augment.draws import uniform
from lenet.augment.geometry import affine_matrices
from lenet.augment.sampling import Projection
from lenet.augment.transform import Parameters, Size

NARROW = (1, 7)
"""Digits that become ambiguous when they are rotated or sheared far."""


class RandomStretch(Projection):
    """Scale width and height by independent factors.

    Args:
        scale_x: (min, max) factor of the width, each in [0.001, 1000].
        scale_y: (min, max) factor of the height, likewise.
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(
        self,
        scale_x: Sequence[float],
        scale_y: Sequence[float],
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.scale_x = interval(self, "scale_x", scale_x, 0.001, 1000)
        self.scale_y = interval(self, "scale_y", scale_y, 0.001, 1000)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw the factors ``scale_x`` and ``scale_y``, (B,)."""
        return {
            "scale_x": uniform(batch, *self.scale_x, generator),
            "scale_y": uniform(batch, *self.scale_y, generator),
        }

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return scalings by the reciprocals, (B, 3, 3)."""
        across, down = parameters["scale_x"], parameters["scale_y"]
        return torch.diag_embed(torch.stack([1 / across, 1 / down, torch.ones_like(across)], 1))


class RandomSqueeze(Projection):
    """Make wider and lower, or narrower and taller, keeping the area.

    Args:
        ratio: (min, max) factor of the width, each in [0.001, 1000]; the height is divided by it.
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        p: Probability of an image being transformed, in [0, 1].

    Source: Section III.C of the 1998 paper: "simultaneous horizontal compression and vertical
    elongation, or the reverse".
    """

    def __init__(
        self,
        ratio: Sequence[float],
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.ratio = interval(self, "ratio", ratio, 0.001, 1000)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``ratio``, (B,)."""
        return {"ratio": uniform(batch, *self.ratio, generator)}

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return scalings by 1/ratio and ratio, (B, 3, 3)."""
        ratio = parameters["ratio"]
        return torch.diag_embed(torch.stack([1 / ratio, ratio, torch.ones_like(ratio)], 1))


class RandomRotationOrShear(Projection):
    """Rotate half of the images and shear the others along x, some classes less than others.

    Args:
        degrees: Largest angle to either side, in [0, 89].
        narrow_degrees: Largest angle of the narrow classes, in [0, 89].
        narrow_labels: Labels of the narrow classes.
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        p: Probability of an image being transformed, in [0, 1].

    If labels are unknown, as in torchvision's ``Compose``, all classes count as narrow.
    """

    def __init__(
        self,
        degrees: float = 15.0,
        narrow_degrees: float = 7.5,
        narrow_labels: Sequence[int] = NARROW,
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.degrees = number(self, "degrees", degrees, 0, 89)
        self.narrow_degrees = number(self, "narrow_degrees", narrow_degrees, 0, 89)
        if not isinstance(narrow_labels, list | tuple):
            raise refuse(self, "narrow_labels", narrow_labels, "a list of whole numbers in [0, 9]")
        self.narrow_labels = [integer(self, "narrow_labels", v, 0, 9) for v in narrow_labels]

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw the angles ``rotation`` and ``shear`` in degrees, (B,), one of which is 0."""
        narrow = torch.ones(batch, dtype=torch.bool)
        if labels is not None:
            narrow = torch.isin(labels.cpu(), torch.tensor(self.narrow_labels, dtype=torch.int64))
        reach = torch.where(narrow, self.narrow_degrees, self.degrees)
        angle = uniform(batch, -1, 1, generator) * reach
        rotated = torch.rand(batch, generator=generator) < 0.5
        return {"rotation": angle * rotated, "shear": angle * ~rotated}

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return rotations and shears, (B, 3, 3)."""
        rotation, shear = parameters["rotation"], parameters["shear"]
        zero = torch.zeros_like(rotation)
        still = torch.stack([zero, zero], 1)
        along_x = torch.stack([shear, zero], 1)
        return affine_matrices(rotation, still, torch.ones_like(rotation), along_x)
