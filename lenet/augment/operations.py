"""The operations of policies, with one strength per image.

Images of a batch are grouped by the operation that they drew, so that each operation runs once per
batch. Strengths have torchvision's meaning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lenet.augment import tone
from lenet.augment.geometry import affine_matrices
from lenet.augment.sampling import Places, look_up, pixel_places
from lenet.augment.transform import Size

Ramp = Callable[[int, Size], Tensor]
"""Number of steps, image size → the strength of each step."""


def ramp(low: float, high: float) -> Ramp:
    """Strengths from low to high, whatever the image."""
    return lambda steps, size: torch.linspace(low, high, steps)


def share_of_width(high: float) -> Ramp:
    """Pixels from 0 to a share of the image's width."""
    return lambda steps, size: torch.linspace(0, high * size[1], steps)


def share_of_height(high: float) -> Ramp:
    """Pixels from 0 to a share of the image's height."""
    return lambda steps, size: torch.linspace(0, high * size[0], steps)


def bits(most: int, fewer: int) -> Ramp:
    """Bits from `most` down by `fewer`."""
    return lambda steps, size: torch.linspace(most, most - fewer, steps).round()


@dataclass(frozen=True)
class Strength:
    """The strengths an operation may have."""

    ramp: Ramp
    signed: bool = False
    """Whether half of the draws are negative."""


NONE = Strength(ramp(0, 0))

SPACE: dict[str, Strength] = {
    "Identity": NONE,
    "ShearX": Strength(ramp(0, 0.3), signed=True),
    "ShearY": Strength(ramp(0, 0.3), signed=True),
    "TranslateX": Strength(share_of_width(150 / 331), signed=True),
    "TranslateY": Strength(share_of_height(150 / 331), signed=True),
    "Rotate": Strength(ramp(0, 30), signed=True),
    "Brightness": Strength(ramp(0, 0.9), signed=True),
    "Contrast": Strength(ramp(0, 0.9), signed=True),
    "Sharpness": Strength(ramp(0, 0.9), signed=True),
    "Color": Strength(ramp(0, 0.9), signed=True),
    "Posterize": Strength(bits(8, 4)),
    "Solarize": Strength(ramp(1, 0)),
    "AutoContrast": NONE,
    "Equalize": NONE,
    "Invert": NONE,
}
"""The operations and their strengths in AutoAugment; the others change some."""

RAND_AUGMENT = {name: strength for name, strength in SPACE.items() if name != "Invert"}

TRIVIAL_AUGMENT_WIDE = RAND_AUGMENT | {
    "ShearX": Strength(ramp(0, 0.99), signed=True),
    "ShearY": Strength(ramp(0, 0.99), signed=True),
    "TranslateX": Strength(ramp(0, 32), signed=True),
    "TranslateY": Strength(ramp(0, 32), signed=True),
    "Rotate": Strength(ramp(0, 135), signed=True),
    "Brightness": Strength(ramp(0, 0.99), signed=True),
    "Contrast": Strength(ramp(0, 0.99), signed=True),
    "Sharpness": Strength(ramp(0, 0.99), signed=True),
    "Color": Strength(ramp(0, 0.99), signed=True),
    "Posterize": Strength(bits(8, 6)),
}

AUG_MIX = {name: strength for name, strength in RAND_AUGMENT.items() if name != "Identity"} | {
    "TranslateX": Strength(share_of_width(1 / 3), signed=True),
    "TranslateY": Strength(share_of_height(1 / 3), signed=True),
    "Posterize": Strength(bits(4, 4)),
}

COLOURS = ("Brightness", "Contrast", "Sharpness", "Color")
"""The operations that AugMix uses only with ``all_ops``."""

OPERATIONS = tuple(SPACE)


def perform(
    images: Tensor, operation: Tensor, strength: Tensor, interpolation: str, fill: float
) -> Tensor:
    """Perform one operation per image.

    Args:
        images: (B, C, H, W).
        operation: Index into `OPERATIONS`, int64 (B,).
        strength: Its strength, (B,).
        interpolation: For the geometric ones, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
    """
    performed = images.clone()
    for index, name in enumerate(OPERATIONS):
        chosen = (operation == index).nonzero().squeeze(1)
        if name == "Identity" or not len(chosen):
            continue
        some, strengths = images[chosen], strength[chosen]
        if name in MOVES:
            matrices = MOVES[name](strengths, (images.shape[-2], images.shape[-1]))
            size = (images.shape[-2], images.shape[-1])
            places = Places(size, pixel_places(size, images.dtype, images.device), matrices)
            performed[chosen] = look_up(some, places, interpolation, fill)
        else:
            performed[chosen] = CHANGES[name](some, strengths)
    return performed


def _shear_x(strength: Tensor, size: Size) -> Tensor:
    shear = torch.stack([torch.rad2deg(strength.atan()), torch.zeros_like(strength)], 1)
    return _move(strength, size, shear=shear)


def _shear_y(strength: Tensor, size: Size) -> Tensor:
    shear = torch.stack([torch.zeros_like(strength), torch.rad2deg(strength.atan())], 1)
    return _move(strength, size, shear=shear)


def _move(strength: Tensor, size: Size, shear: Tensor) -> Tensor:
    """Shear with the upper left corner fixed."""
    zero, one = torch.zeros_like(strength), torch.ones_like(strength)
    corner = (-size[1] / 2, -size[0] / 2)
    return affine_matrices(zero, torch.zeros_like(shear), one, shear, corner)


def _translate_x(strength: Tensor, size: Size) -> Tensor:
    return _shift(strength.trunc(), torch.zeros_like(strength))


def _translate_y(strength: Tensor, size: Size) -> Tensor:
    return _shift(torch.zeros_like(strength), strength.trunc())


def _shift(x: Tensor, y: Tensor) -> Tensor:
    zero, shift = torch.zeros_like(x), torch.stack([x, y], 1)
    return affine_matrices(zero, shift, torch.ones_like(x), torch.zeros_like(shift))


def _rotate(strength: Tensor, size: Size) -> Tensor:
    still = torch.zeros(len(strength), 2, dtype=strength.dtype, device=strength.device)
    return affine_matrices(-strength, still, torch.ones_like(strength), still)


MOVES: dict[str, Callable[[Tensor, Size], Tensor]] = {
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
}
"""Strengths (n,), image size → matrices (n, 3, 3)."""

CHANGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": lambda images, strength: tone.adjust_brightness(images, 1 + strength),
    "Contrast": lambda images, strength: tone.adjust_contrast(images, 1 + strength),
    "Sharpness": lambda images, strength: tone.adjust_sharpness(images, 1 + strength),
    "Color": lambda images, strength: tone.adjust_saturation(images, 1 + strength),
    "Posterize": tone.posterize,
    "Solarize": tone.solarize,
    "AutoContrast": lambda images, strength: tone.autocontrast(images),
    "Equalize": lambda images, strength: tone.equalize(images),
    "Invert": lambda images, strength: tone.invert(images),
}
"""Images (n, C, H, W), strengths (n,) → images."""
