"""Geometric transforms that are a matrix per image: affine, rotation, flips."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.augment.arguments import interval, is_sequence, numbers, spread
from lenet.augment.draws import uniform
from lenet.augment.sampling import Projection
from lenet.augment.transform import Parameters, Size


class RandomAffine(Projection):
    """Rotate, shift, scale and shear about the image's centre.

    Args:
        degrees: Rotation, clockwise: ±degrees of [0, 360], or (min, max) of [-360, 360].
        translate: Largest shift to the (right or left, down or up), each as a fraction of the
            image, in [0, 1]. Shifts are whole pixels, as torchvision's are.
        scale: (min, max) factor of size, each in [0.001, 1000].
        shear: Degrees, ±shear of [0, 89] along x; or (min, max) along x; or
            (min x, max x, min y, max y), each in [-89, 89].
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        center: (x, y) to turn about, in pixels from the top left corner, each in [-10000, 10000];
            None: the image's centre.
        p: Probability of an image being transformed, in [0, 1].

    Deviation: torchvision's default is ``nearest``, which tears strokes two pixels wide; here it is
    ``bilinear``. On the frame's border torchvision counts the background twice; see
    `lenet.augment.sampling`.
    """

    def __init__(
        self,
        degrees: float | Sequence[float] = 0.0,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
        center: Sequence[float] | None = None,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.degrees = spread(self, "degrees", degrees, -360, 360)
        self.translate = numbers(
            self, "translate", (0, 0) if translate is None else translate, 2, 0, 1
        )
        self.scale = interval(self, "scale", (1, 1) if scale is None else scale, 0.001, 1000)
        if is_sequence(shear, 4):
            self.shear = numbers(self, "shear", shear, 4, -89, 89)
        else:
            self.shear = (*spread(self, "shear", 0 if shear is None else shear, -89, 89), 0.0, 0.0)
        self.center = (
            None if center is None else numbers(self, "center", center, 2, -10_000, 10_000)
        )

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``degrees``, ``shift_px`` (B, 2), ``scale`` and ``shear`` (B, 2) in degrees."""
        reach_x, reach_y = self.translate[0] * size[1], self.translate[1] * size[0]
        min_x, max_x, min_y, max_y = self.shear
        return {
            "degrees": uniform(batch, *self.degrees, generator),
            "shift_px": torch.stack(
                [
                    uniform(batch, -reach_x, reach_x, generator),
                    uniform(batch, -reach_y, reach_y, generator),
                ],
                1,
            ).round_(),
            "scale": uniform(batch, *self.scale, generator),
            "shear": torch.stack(
                [
                    uniform(batch, min_x, max_x, generator),
                    uniform(batch, min_y, max_y, generator),
                ],
                1,
            ),
        }

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the inverses of shift · rotation · scaling · shear, (B, 3, 3)."""
        centre = (0.0, 0.0)
        if self.center is not None:
            centre = (self.center[0] - size[1] / 2, self.center[1] - size[0] / 2)
        return affine_matrices(
            parameters["degrees"],
            parameters["shift_px"],
            parameters["scale"],
            parameters["shear"],
            centre,
        )


def affine_matrices(
    degrees: Tensor,
    shift_px: Tensor,
    scale: Tensor,
    shear: Tensor,
    centre: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Return the matrices that undo shift · rotation · scaling · shear y · shear x, (B, 3, 3).

    Args:
        degrees: Rotation clockwise, (B,).
        shift_px: (B, 2), to the right and down.
        scale: Factors (B,), above 0.
        shear: Degrees (B, 2), along x and along y, as torchvision counts them.
        centre: Fixed point of all but the shift, (x, y) in pixels from the image's centre.
    """
    turn, (shear_x, shear_y) = torch.deg2rad(degrees), torch.deg2rad(shear).unbind(1)
    # Forward matrix ((a, b), (c, d)) of determinant 1, then its inverse by scale.
    a = torch.cos(turn - shear_y) / torch.cos(shear_y)
    b = -a * torch.tan(shear_x) - torch.sin(turn)
    c = torch.sin(turn - shear_y) / torch.cos(shear_y)
    d = -c * torch.tan(shear_x) + torch.cos(turn)
    x, y = shift_px.unbind(1)
    x, y = x + centre[0], y + centre[1]
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    a, b, c, d = d / scale, -b / scale, -c / scale, a / scale
    rows = [a, b, centre[0] - a * x - b * y, c, d, centre[1] - c * x - d * y, zero, zero, one]
    return torch.stack(rows, 1).view(-1, 3, 3)


class RandomRotation(RandomAffine):
    """Rotate about the image's centre.

    Args:
        degrees: Counterclockwise: ±degrees of [0, 360], or (min, max) of [-360, 360].
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        center: (x, y) to turn about, in pixels from the top left corner, each in [-10000, 10000];
            None: the image's centre.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        p: Probability of an image being transformed, in [0, 1].

    Deviation: torchvision's default is ``nearest``, and it counts the background twice on the
    frame's border; see `lenet.augment.sampling`. There is no `expand`, since the images of a batch
    have one size.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str | None = "bilinear",
        center: Sequence[float] | None = None,
        fill: float | None = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(degrees, interpolation=interpolation, fill=fill, center=center, p=p)

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return rotations in the other direction: an affine's are clockwise."""
        return super().matrices({**parameters, "degrees": -parameters["degrees"]}, size)


class RandomHorizontalFlip(Projection):
    """Mirror left and right; most mirrored digits are no longer digits.

    Args:
        p: Probability of an image being mirrored, in [0, 1].
    """

    mirror = (-1.0, 1.0)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(None, None, p)

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return one mirror for all images, (1, 3, 3)."""
        applied = parameters["applied"]
        return torch.diag(torch.tensor((*self.mirror, 1.0), device=applied.device))[None]


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror top and bottom; most mirrored digits are no longer digits.

    Args:
        p: Probability of an image being mirrored, in [0, 1].
    """

    mirror = (1.0, -1.0)
