"""How an image is prepared for a network: its slant and width, its grey levels, its background."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.rng import generator

LEVELS: dict[str, tuple[float, float]] = {
    "paper": (-0.1, 1.175),
    "lush": (0.0, 2.55),
    "unit": (0.0, 1.0),
    "standard": (-0.1307 / 0.3081, (1 - 0.1307) / 0.3081),
}
"""What 0 and 1 become. 0.1307 and 0.3081 are the mean and the standard deviation of MNIST's
training pixels."""

STROKE = 0.5
"""A pixel this bright counts as part of the digit when its width is measured."""
MOST_STRETCH = 2.0
"""So that a 1 does not become a bar."""


class Preprocessing(nn.Module):
    """Scale pixels to grey levels and surround the picture with background.

    Args:
        levels: ``paper`` (background -0.1, strokes 1.175), ``lush`` (0, 2.55), ``unit`` (0, 1) or
            ``standard`` (mean 0, standard deviation 1).
        mean: Of each channel's pixels in [0, 1], for ``standard``; None: MNIST's.
        std: Their standard deviations, likewise.
        size: Width and height of the result in pixels, at least the picture's.
        shuffle: Seed of a shuffle that puts all pixels of the result elsewhere, in every picture
            alike; None leaves them in place.
        scale: Factor on the picture's width and height, in (0, 1]; the area that falls on a pixel
            is averaged.
        upright: Whether digits are sheared until they stand upright; see `normalize_shape`.
        width: Pixels, the width to which digits are brought; None leaves it as it is.

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
        upright: bool = False,
        width: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if levels == "standard" and mean is not None and std is not None:
            pairs = [(-m / s, (1 - m) / s) for m, s in zip(mean, std, strict=True)]
        else:
            pairs = [LEVELS[levels]]
        self.background, self.full = pairs[0]
        self.colour = pairs if len(pairs) > 1 else None
        self.size = size
        self.scale = scale
        self.upright = upright
        self.width = width
        self.places = None
        if shuffle is not None:
            self.places = torch.randperm(size * size, generator=generator(shuffle, "pixels"))

    @property
    def levels(self) -> Tensor:
        """What 0 and 1 become in each channel, float64 (C, 2); one row does for all channels."""
        return torch.tensor(self.colour or [(self.background, self.full)], dtype=torch.float64)

    @property
    def normalizes_shape(self) -> bool:
        """Whether digits are brought to one slant or width."""
        return self.upright or self.width is not None

    @property
    def is_plain(self) -> bool:
        """Whether it does nothing but scale all channels alike and surround the picture."""
        alike = self.colour is None
        return alike and not self.normalizes_shape and self.scale == 1 and self.places is None

    @property
    def plain_levels(self) -> tuple[float, float]:
        """What 0 and 1 become, for those who do it themselves; unchanged if it is not plain."""
        return (self.background, self.full) if self.is_plain else (0.0, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) → input (B, C, size, size)."""
        if self.normalizes_shape:
            images = normalize_shape(images, self.upright, self.width)
        if self.scale != 1:
            images = F.interpolate(images, scale_factor=self.scale, mode="bilinear", antialias=True)
        spare_y, spare_x = self.size - images.shape[-2], self.size - images.shape[-1]
        spare_x = max(spare_x, 0)  # lines are as wide as they are
        top, left = spare_y // 2, spare_x // 2
        padded = F.pad(images, (left, spare_x - left, top, spare_y - top))
        if self.colour is None:
            prepared = padded * (self.full - self.background) + self.background
        else:
            pairs = padded.new_tensor(self.colour)[:, :, None, None]  # (C, 2, 1, 1)
            prepared = padded * (pairs[:, 1] - pairs[:, 0]) + pairs[:, 0]
        if self.places is None:
            return prepared
        return prepared.flatten(2)[:, :, self.places].view_as(prepared)


def normalize_shape(images: Tensor, upright: bool, width: int | None) -> Tensor:
    """Bring digits to one slant, to one width, or to both, in one interpolation.

    Args:
        images: In [0, 1], (B, C, H, W).
        upright: Shear each digit about its centre of mass, by at most 45°, until the covariance of
            its pixels' x and y is 0.
        width: Stretch or squeeze the box around each digit to so many pixels, by a factor of at
            most `MOST_STRETCH`, and move it to the middle; None does neither.

    Returns:
        Images of the same shape. A blank image stays as it is.

    Source: Cireşan et al. 2011, "Convolutional neural network committees for handwritten character
        classification", for the width; the 1998 paper's section III.C for the slant, which it
        removes for classifiers other than LeNet.
    """
    height, length = images.shape[-2:]
    y = torch.arange(height, dtype=images.dtype, device=images.device)[:, None] - (height - 1) / 2
    x = torch.arange(length, dtype=images.dtype, device=images.device) - (length - 1) / 2
    brightness = images.mean(dim=1)  # over the channels
    slant = centre_y = images.new_zeros(images.shape[0])
    if upright:
        ones = torch.ones_like(x * y)
        powers = torch.stack([ones, x * ones, y * ones, x * y, y * y * ones]).flatten(1)
        mass, *moments = (brightness.flatten(1) @ powers.T).unbind(dim=1)
        centre_x, centre_y, xy, yy = (moment / mass.clamp(min=1e-6) for moment in moments)
        slant = ((xy - centre_x * centre_y) / (yy - centre_y**2).clamp(min=1e-6)).clamp(-1, 1)
    squeeze, middle = torch.ones_like(slant), torch.zeros_like(slant)
    if width is not None:
        stands = x - slant[:, None, None] * (y - centre_y[:, None, None])  # (B, H, W): x, upright
        seen = brightness > STROKE
        left = stands.masked_fill(~seen, length).amin(dim=(1, 2))
        right = stands.masked_fill(~seen, -length).amax(dim=(1, 2))
        blank = ~seen.any(dim=2).any(dim=1)
        box = ((right - left + 1) / width).clamp(1 / MOST_STRETCH, MOST_STRETCH)
        squeeze = torch.where(blank, squeeze, box)
        middle = torch.where(blank, middle, (left + right) / 2)
    # Where each pixel of the result comes from; affine_grid counts from -1 to 1 across the picture.
    across = [squeeze, slant * height / length, 2 / length * (middle - slant * centre_y)]
    down_only = [torch.zeros_like(slant), torch.ones_like(slant), torch.zeros_like(slant)]
    theta = torch.stack([torch.stack(across, dim=1), torch.stack(down_only, dim=1)], dim=1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def scale_pixels(images: Tensor) -> Tensor:
    """Scale bytes: uint8 (…, H, W) → float32 in [0, 1], 0 is background."""
    return images.to(torch.float32).div_(255)
