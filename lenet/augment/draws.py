"""Random numbers for whole batches, on the CPU, from an explicit generator."""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

TRIALS = 10
"""Rectangles to draw before giving up on finding one that fits, as in torchvision."""


def uniform(batch: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw uniform numbers in [low, high], float32 (B,)."""
    return torch.rand(batch, generator=generator) * (high - low) + low


def rectangles(
    batch: int,
    pixels: int,
    scale: Sequence[float],
    ratio: Sequence[float],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw `TRIALS` rectangles for each image, as two sides in whole pixels, (B, TRIALS) each.

    Args:
        batch: Number of images B.
        pixels: Area of an image.
        scale: (min, max) area of a rectangle as a fraction of the image, uniform.
        ratio: (min, max) first side by second, uniform in its logarithm.
        generator: On the CPU.
    """
    area = uniform(batch * TRIALS, scale[0], scale[1], generator) * pixels
    aspect = uniform(batch * TRIALS, log(ratio[0]), log(ratio[1]), generator).exp()
    first, second = (area * aspect).sqrt().round_(), (area / aspect).sqrt().round_()
    return first.view(batch, TRIALS), second.view(batch, TRIALS)


def beta(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha), float32 (B,); alpha is above 0."""
    return dirichlet(batch, 2, alpha, generator)[:, 0]


def dirichlet(batch: int, n: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw n shares that sum to 1 from Dirichlet(alpha, …, alpha), float32 (B, n).

    Gamma variables, divided by their sum. At a small alpha all of them might round to zero, so
    they are drawn at alpha + 1 and scaled in logarithms: Gamma(a) = Gamma(a + 1) · U^(1/a).
    torch's distributions take no generator, but `_standard_gamma` beneath them does.
    """
    shape = torch.full((batch, n), alpha + 1.0, dtype=torch.float64)
    logarithms = torch._standard_gamma(shape, generator=generator).log()
    logarithms += torch.rand(batch, n, generator=generator, dtype=torch.float64).log() / alpha
    return torch.softmax(logarithms, 1).float()
