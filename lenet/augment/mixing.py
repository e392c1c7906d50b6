"""Transforms that mix images of a batch, and their labels with them."""

from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from lenet.augment.arguments import integer, number
from lenet.augment.occlusion import boxes
from lenet.augment.transform import Parameters, Size, per_image, to_device

CLASSES = 10


class MixingTransform(v2.Transform):  # type: ignore[misc]
    """A transform of images and targets; each image has a partner and a share of its own.

    Args:
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Classes of the targets.
    """

    def __init__(self, p: float, num_classes: int) -> None:
        super().__init__()
        self.p = number(self, "p", p, 0, 1)
        self.num_classes = integer(self, "num_classes", num_classes, 1)

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw the parameters of a batch, on the CPU; each tensor's first dimension is B.

        Args:
            batch: Number of images B.
            size: Their (height, width) in pixels.
            generator: Where the numbers come from, on the CPU.
        """
        raise NotImplementedError

    def mix(self, images: Tensor, targets: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mix as drawn.

        Args:
            images: Ink in [0, 1], float (B, C, H, W).
            targets: Shares of the classes (B, num_classes), each row summing to 1.
            parameters: As drawn, on the images' device.
        """
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """Mix (images, labels), labels int64 (B,) or shares; chance is torch's global state."""
        images, labels = inputs if len(inputs) == 2 else inputs[0]
        seed = int(torch.randint(2**62, ()))
        drawn = self.draw(len(images), images.shape[-2:], torch.Generator().manual_seed(seed))
        targets = shares(labels, self.num_classes, images.dtype)
        return self.mix(images, targets, to_device(drawn, images))


class MixUp(MixingTransform):
    """Average two images: λ of one and 1 - λ of the other, λ from Beta(alpha, alpha).

    Args:
        alpha: Both parameters of the Beta distribution, above 0; small ones mix little.
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Classes of the targets.

    Source: Zhang et al. 2017, equation 1. λ is drawn per image, not per batch as in torchvision.
    """

    def __init__(self, alpha: float = 1.0, p: float = 1.0, num_classes: int = CLASSES) -> None:
        super().__init__(p, num_classes)
        self.alpha = number(self, "alpha", alpha, 0, inf, above=True)

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw ``partner``, int64 (B,), and ``share``, λ or 1 where nothing is mixed, (B,)."""
        applied = torch.rand(batch, generator=generator) < self.p
        share = beta(batch, self.alpha, generator)
        partner = torch.randperm(batch, generator=generator)
        return {"partner": partner, "share": torch.where(applied, share, 1.0)}

    def mix(self, images: Tensor, targets: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mix as drawn."""
        partner, share = parameters["partner"], parameters["share"]
        mixed = torch.lerp(images[partner], images, per_image(share))
        return mixed, torch.lerp(targets[partner], targets, share.view(-1, 1))


class CutMix(MixingTransform):
    """Paste a rectangle of another image; labels are mixed by its area.

    Args:
        alpha: The area outside the rectangle has a share from Beta(alpha, alpha), alpha above 0.
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Classes of the targets.

    Source: Yun et al. 2019, section 3.1; the rectangle is drawn per image, not per batch as in
    torchvision. It may stick out of the image; labels count what is visible of it.
    """

    def __init__(self, alpha: float = 1.0, p: float = 1.0, num_classes: int = CLASSES) -> None:
        super().__init__(p, num_classes)
        self.alpha = number(self, "alpha", alpha, 0, inf, above=True)

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw ``partner``, int64 (B,), and boxes ``top``, ``left``, ``bottom``, ``right``."""
        applied = torch.rand(batch, generator=generator) < self.p
        # At p the box has an area of 1 - λ; else none.
        reach = 0.5 * torch.sqrt(1 - beta(batch, self.alpha, generator)) * applied
        sides = {}
        for first, last, length in (("top", "bottom", size[0]), ("left", "right", size[1])):
            centre = (torch.rand(batch, generator=generator) * length).floor()
            half = (reach * length).floor()
            sides[first] = (centre - half).clamp_(min=0)
            sides[last] = (centre + half).clamp_(max=length)
        return {"partner": torch.randperm(batch, generator=generator), **sides}

    def mix(self, images: Tensor, targets: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mix as drawn."""
        partner = parameters["partner"]
        inside = boxes(images, *(parameters[s] for s in ("top", "left", "bottom", "right")))
        pasted = inside.to(images.dtype).mean((1, 2, 3))  # (B,)
        mixed = torch.where(inside, images[partner], images)
        return mixed, torch.lerp(targets, targets[partner], pasted.view(-1, 1))


def shares(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return labels, int64 (B,), as shares (B, classes); shares stay as they are."""
    return F.one_hot(labels, classes).to(dtype) if labels.ndim == 1 else labels.to(dtype)


def beta(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha), float32 (B,).

    A ratio of two gamma variables; each is drawn at alpha + 1 and brought down in logarithms by
    Gamma(a) = Gamma(a + 1) · U^(1/a), since at a small alpha both would round to zero.
    """
    shape = torch.full((2, batch), alpha + 1.0, dtype=torch.float64)
    logarithms = torch._standard_gamma(shape, generator=generator).log()
    logarithms += torch.rand(2, batch, generator=generator, dtype=torch.float64).log() / alpha
    return torch.sigmoid(logarithms[0] - logarithms[1]).float()
