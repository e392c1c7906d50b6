"""Transforms that mix images of a batch, and their labels with them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from lenet.augment.arguments import integer, interval, number
from lenet.augment.draws import beta, uniform
from lenet.augment.occlusion import boxes
from lenet.augment.transform import Parameters, Size, per_image, to_device


class MixingTransform(v2.Transform):  # type: ignore[misc]
    """A transform that mixes each image and its target with those of a partner.

    Args:
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Number of classes, needed for whole-number labels; a config takes it from the
            dataset.
    """

    def __init__(self, p: float, num_classes: int | None) -> None:
        super().__init__()
        self.p = number(self, "p", p, 0, 1)
        self.num_classes = (
            None if num_classes is None else integer(self, "num_classes", num_classes, 1)
        )

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw the parameters of a batch, on the CPU; each tensor's first dimension is B.

        Args:
            batch: Number of images B.
            size: Their (height, width) in pixels.
            generator: On the CPU.
        """
        raise NotImplementedError

    def mix(self, images: Tensor, targets: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mix as drawn.

        Args:
            images: Images in [0, 1], float (B, C, H, W).
            targets: Shares of the classes (B, num_classes), each row summing to 1.
            parameters: As drawn, on the images' device.
        """
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """Mix within torchvision's pipelines, seeded from torch's global random state.

        Args:
            inputs: Images (B, C, H, W) and labels, integers (B,) or shares (B, num_classes);
                two arguments or one pair.

        Returns:
            Images of the same kind, and shares.

        Raises:
            TypeError: The inputs are something else.
            ValueError: A label is outside [0, num_classes).

        Deviation: there is no `labels_getter`.
        """
        images, labels = self._check_pair(inputs if len(inputs) == 2 else inputs[0])
        seed = int(torch.randint(2**62, ()))
        size = (images.shape[-2], images.shape[-1])
        drawn = self.draw(len(images), size, torch.Generator().manual_seed(seed))
        dtype = images.dtype if images.is_floating_point() else torch.float32
        pixels = v2.functional.to_dtype(images, dtype, scale=True)
        targets = shares(labels, self.num_classes or labels.shape[-1], dtype)
        mixed, targets = self.mix(pixels, targets, to_device(drawn, pixels))
        return v2.functional.to_dtype(mixed, images.dtype, scale=True), targets

    def _check_pair(self, given: Any) -> tuple[Tensor, Tensor]:
        pair = isinstance(given, list | tuple) and [v for v in given if isinstance(v, Tensor)]
        if not pair or len(pair) != len(given) or len(pair) != 2 or pair[0].ndim != 4:
            raise TypeError(f"{type(self).__name__} mixes images (B, C, H, W) and their labels")
        images, labels = pair
        name, classes = type(self).__name__, self.num_classes
        if len(labels) != len(images) or labels.ndim > 2:
            raise TypeError(
                f"{name} mixes {len(images)} images with as many labels,"
                f" not with {tuple(labels.shape)}"
            )
        if classes is not None and labels.ndim == 2 and labels.shape[1] != classes:
            raise TypeError(f"{name} mixes shares of {classes} classes, not of {labels.shape[1]}")
        if labels.ndim == 1:
            if classes is None:
                raise TypeError(f"{name} needs num_classes to mix labels that are whole numbers")
            if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
                raise ValueError(f"{name}: labels must be in [0, {classes - 1}]")
        return images, labels


class MixUp(MixingTransform):
    """Average two images: λ of one and 1 - λ of the other, λ from Beta(alpha, alpha).

    Args:
        alpha: Both parameters of the Beta distribution, in [0.001, 1000]; small ones mix little.
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Number of classes, needed for whole-number labels; a config takes it from the
            dataset.

    Source: Zhang et al. 2017, equation 1. λ is drawn per image, not per batch as in torchvision.
    """

    def __init__(self, alpha: float = 1.0, p: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__(p, num_classes)
        self.alpha = number(self, "alpha", alpha, 0.001, 1000)

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
        alpha: Parameter of the Beta distribution of the area outside the rectangle, in
            [0.001, 1000].
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Number of classes, needed for whole-number labels; a config takes it from the
            dataset.

    Source: Yun et al. 2019, section 3.1; the rectangle is drawn per image, not per batch as in
    torchvision. It may extend beyond the image; labels count its visible part.
    """

    def __init__(self, alpha: float = 1.0, p: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__(p, num_classes)
        self.alpha = number(self, "alpha", alpha, 0.001, 1000)

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw ``partner``, int64 (B,), and boxes ``top``, ``left``, ``bottom``, ``right``."""
        applied = torch.rand(batch, generator=generator) < self.p
        # The box has an area of 1 - λ, or none if the image is not mixed.
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


class Mosaic(MixingTransform):
    """Lay out four images as 2×2 and cut a window of one image's size from them.

    Args:
        start: (min, max) of the window's top left corner as a fraction of the image, each in
            [0, 1]: at 0 only the first image is visible, at 1 only the last, at 0.5 a quarter of
            each.
        p: Probability of an image being mixed, in [0, 1].
        num_classes: Number of classes, needed for whole-number labels; a config takes it from the
            dataset.

    Source: Bochkovskiy et al. 2020, section 3.3. Labels count the visible areas.
    """

    def __init__(
        self, start: Sequence[float] = (0.3, 0.7), p: float = 1.0, num_classes: int | None = None
    ) -> None:
        super().__init__(p, num_classes)
        self.start = interval(self, "start", start, 0, 1)

    def draw(self, batch: int, size: Size, generator: torch.Generator) -> Parameters:
        """Draw ``partners``, int64 (B, 3): right, below, both; and the corner ``top``, ``left``."""
        applied = torch.rand(batch, generator=generator) < self.p
        partners = [torch.randperm(batch, generator=generator) for _ in range(3)]
        corners = {}
        for name, length in (("top", size[0]), ("left", size[1])):
            start = uniform(batch, *self.start, generator)
            corners[name] = (start * length).round().long() * applied
        return {"partners": torch.stack(partners, 1), **corners}

    def mix(self, images: Tensor, targets: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mix as drawn."""
        height, width = images.shape[-2:]
        itself = torch.arange(len(images), device=images.device)
        right, below, both = parameters["partners"].T
        y = parameters["top"][:, None] + torch.arange(height, device=images.device)  # (B, H)
        x = parameters["left"][:, None] + torch.arange(width, device=images.device)  # (B, W)
        lower, aside = (y >= height)[:, :, None], (x >= width)[:, None, :]
        source = torch.where(
            lower,
            torch.where(aside, both[:, None, None], below[:, None, None]),
            torch.where(aside, right[:, None, None], itself[:, None, None]),
        )  # (B, H, W)
        rows, columns = (y % height)[:, :, None], (x % width)[:, None, :]
        mixed = images.permute(0, 2, 3, 1)[source, rows, columns].permute(0, 3, 1, 2)
        down, across = parameters["top"] / height, parameters["left"] / width
        parts = (
            (itself, (1 - down) * (1 - across)),
            (right, (1 - down) * across),
            (below, down * (1 - across)),
            (both, down * across),
        )
        mixed_targets = torch.zeros_like(targets)
        for index, area in parts:
            mixed_targets += targets[index] * area.to(targets.dtype).view(-1, 1)
        return mixed.contiguous(), mixed_targets


def shares(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return labels, int64 (B,), as shares (B, classes); shares stay as they are."""
    return F.one_hot(labels.long(), classes).to(dtype) if labels.ndim == 1 else labels.to(dtype)
