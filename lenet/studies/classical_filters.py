"""Filters designed by hand, from edge detection to Gabor, and cross-correlation to apply them.

The filter slides over the picture; at each position its values are multiplied with the pixels below
and summed. That is cross-correlation; a mathematical convolution would flip the filter first.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lenet.data.datasets import load_dataset
from lenet.data.pictures import PictureError, read_picture
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import SAMPLE, DatasetMissingError
from lenet.errors import UsageError, with_article
from lenet.models.arithmetic import Padding, Step, padding_pixels

Border = Literal["zero", "constant", "reflection", "replication"]
"""What padding continues a picture with."""

BORDERS: dict[str, str] = {
    "zero": "constant",
    "constant": "constant",
    "reflection": "reflect",
    "replication": "replicate",
}
"""torch's names of the padding modes."""


LONGEST_SIDE_PX = 256
"""Larger pictures are scaled down to this; on a photograph, small filters would show nothing."""


@dataclass(frozen=True)
class Filter:
    """A filter and what it responds to."""

    values: Tensor
    """float32 (f, f)."""
    about: str


def open_picture(path: Path | None, digit: int, data: Path | None) -> tuple[Tensor, str]:
    """Return the brightness of a picture in [0, 1], float32 (H, W), and what it is.

    Args:
        path: A picture file; None takes a digit, bright strokes on black, as MNIST stores it.
        digit: Index of a training image of MNIST, or of mnist-sample if MNIST is not found.
        data: Folder to look for MNIST in.

    Raises:
        UsageError: There is no such digit, or the picture is smaller than the largest filter.
        PictureError: The file cannot be read.
    """
    if path is None:
        try:
            split = load_dataset("mnist", data, fetch=False).train
        except DatasetMissingError:
            split = load_dataset(SAMPLE).train
        if digit >= len(split):
            raise UsageError(f"--digit {digit}: there are {len(split):,} training images")
        about = f"training image {digit}, {with_article(str(int(split.labels[digit])))}"
        return scale_pixels(split.images[digit, 0]), about
    try:
        pixels = torch.from_numpy(read_picture(path, LONGEST_SIDE_PX).copy())  # (H, W, 1 or 3)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    largest = max(len(filter_.values) for filter_ in BANK.values())
    if min(pixels.shape[:2]) < largest:
        height, width, _ = pixels.shape
        raise UsageError(
            f"{path}: {width}×{height} pixels are less than the largest filter's {largest}"
        )
    return pixels.float().mean(dim=2) / 255, path.name


def cross_correlate(
    picture: Tensor,
    values: Tensor,
    *,
    stride: int = 1,
    padding: Padding = "valid",
    border: Border = "zero",
    constant: float = 0.0,
) -> Tensor:
    """Slide a filter over a picture.

    Args:
        picture: float32 (H, W).
        values: The filter, float32 (f, f).
        stride: Pixels from one position to the next.
        padding: As in `lenet.models.arithmetic.padding_pixels`.
        border: What the padding continues the picture with.
        constant: The value of a ``constant`` border.

    Returns:
        The responses, float32 (h, w), with h = (H + 2p - f)/stride + 1, rounded down.

    Raises:
        UsageError: The filter is larger than the padded picture.
    """
    size = values.shape[-1]
    for n in picture.shape:
        Step.padded(n, size, stride, padding)
    padded = pad_picture(picture, padding_pixels(padding, size), border, constant)
    return F.conv2d(padded[None, None], values[None, None], stride=stride)[0, 0]


def pad_picture(
    picture: Tensor, pixels: tuple[int, int], border: Border, constant: float = 0.0
) -> Tensor:
    """Add pixels around a picture (H, W): as many before and after as `pixels` says."""
    before, after = pixels
    value = {"value": constant} if border == "constant" else {}
    sides = (before, after, before, after)
    return F.pad(picture[None, None], sides, mode=BORDERS[border], **value)[0, 0]


def gaussian(size: int, sigma: float) -> Tensor:
    """Return a Gaussian of standard deviation `sigma` pixels, normalized to sum 1."""
    x = torch.arange(size) - (size - 1) / 2
    bell = torch.exp(-(x**2) / (2 * sigma**2))
    bell = bell / bell.sum()
    return bell[:, None] * bell


def gabor(size: int, degrees: float, wavelength: float, sigma: float) -> Tensor:
    """Return a Gabor filter, a cosine under a Gaussian, which responds to stripes.

    Args:
        size: Height and width in pixels.
        degrees: Direction across the stripes, from the x axis downwards.
        wavelength: In pixels.
        sigma: Standard deviation of the Gaussian in pixels.

    Returns:
        float32 (size, size) with sum 0, so that a uniform picture gives no response.

    Source: J. G. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and
    orientation optimized by two-dimensional visual cortical filters", 1985.
    """
    x = torch.arange(size) - (size - 1) / 2
    angle = math.radians(degrees)
    along = x * math.cos(angle) + x[:, None] * math.sin(angle)  # (size, size)
    bell = gaussian(size, sigma)
    wave = bell * torch.cos(2 * math.pi * along / wavelength)
    wave = wave - bell * wave.sum() / bell.sum()
    return wave / wave.abs().max()


def _filter(about: str, *rows: tuple[float, ...], over: float = 1.0) -> Filter:
    return Filter(torch.tensor(rows, dtype=torch.float32) / over, about)


BANK: dict[str, Filter] = {
    "vertical edge": _filter("bright on the left, dark on the right", *[(1, 0, -1)] * 3),
    "horizontal edge": _filter("bright above, dark below", (1, 1, 1), (0, 0, 0), (-1, -1, -1)),
    "Prewitt": _filter("brighter to the right", *[(-1, 0, 1)] * 3),
    "Sobel": _filter("the same, middle row twice", (-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "blob": _filter("a bright spot", (-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "corner": _filter("a corner, bright to the lower right", (-4, -4, 1), (-4, 5, 2), (1, 2, 1)),
    "eye": _filter(
        "a dark hole in a bright ring",
        (0, 1, 1, 1, 0),
        (1, -1, -1, -1, 1),
        (1, -1, -4, -1, 1),
        (1, -1, -1, -1, 1),
        (0, 1, 1, 1, 0),
    ),
    "box": _filter("the mean: blurs", *[(1, 1, 1)] * 3, over=9),
    "bilinear": _filter("the mean, near pixels more", (1, 2, 1), (2, 4, 2), (1, 2, 1),
                        over=16),
    "Gaussian": Filter(gaussian(5, 1.0), "a round mean"),
    "Gabor 0°": Filter(gabor(7, 0, 5, 1.8), "upright stripes"),
    "Gabor 45°": Filter(gabor(7, 45, 5, 1.8), "slanting stripes"),
    "Gabor 90°": Filter(gabor(7, 90, 5, 1.8), "lying stripes"),
    "Gabor 135°": Filter(gabor(7, 135, 5, 1.8), "stripes slanting the other way"),
}  # fmt: skip
"""The filters by name."""
