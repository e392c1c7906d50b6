"""Policies: operations and their strengths are drawn from a table for each image."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchvision.transforms import v2

from lenet.augment.arguments import MOST, choice, integer, number, refuse
from lenet.augment.draws import beta, dirichlet
from lenet.augment.operations import (
    AUG_MIX,
    COLOURS,
    OPERATIONS,
    RAND_AUGMENT,
    SPACE,
    TRIVIAL_AUGMENT_WIDE,
    Strength,
    perform,
)
from lenet.augment.transform import BatchTransform, Parameters, Size, per_image

IDENTITY = OPERATIONS.index("Identity")
LONGEST = 3
"""Operations of AugMix's longest chain, where their number is drawn."""


class Policy(BatchTransform):
    """A transform that draws ``operation`` and ``strength``, (B, n) each, and performs n in turn.

    Args:
        interpolation: Of the geometric operations, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, interpolation: str, fill: float, p: float) -> None:
        super().__init__(p)
        self.interpolation = choice(self, "interpolation", interpolation, ("bilinear", "nearest"))
        self.fill = number(self, "fill", fill, 0, 1)

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Perform the operations in turn."""
        turns = zip(parameters["operation"].T, parameters["strength"].T, strict=True)
        for operation, strength in turns:
            images = perform(images, operation, strength, self.interpolation, self.fill)
        return images


class RandAugment(Policy):
    """Perform random operations of a fixed strength.

    Args:
        num_ops: Operations per image, in [0, 1000].
        magnitude: Their strength, from 0 to num_magnitude_bins - 1.
        num_magnitude_bins: Steps of the strength, in [2, 1000].
        interpolation: Of the geometric operations, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Cubuk et al. 2019, in torchvision's form.

    Deviation: torchvision's default is ``nearest``.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: str = "bilinear",
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.num_ops = integer(self, "num_ops", num_ops, 0)
        self.num_magnitude_bins = integer(self, "num_magnitude_bins", num_magnitude_bins, 2)
        self.magnitude = integer(self, "magnitude", magnitude, 0, num_magnitude_bins - 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``operation`` and ``strength``, (B, num_ops)."""
        step = torch.full((batch, self.num_ops), self.magnitude)
        return draw_operations(RAND_AUGMENT, step, self.num_magnitude_bins, size, generator)


class TrivialAugmentWide(Policy):
    """Perform one random operation of random strength, which may be very strong.

    Args:
        num_magnitude_bins: Steps of the strength, in [2, 1000].
        interpolation: Of the geometric operations, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Müller and Hutter 2021, in torchvision's form. It rotates by up to 135° and shifts by up
    to 32 pixels, as is right for photographs: a digit may leave the image, or a 6 become a 9.

    Deviation: torchvision's default is ``nearest``.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: str = "bilinear",
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.num_magnitude_bins = integer(self, "num_magnitude_bins", num_magnitude_bins, 2)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``operation`` and ``strength``, (B, 1)."""
        step = torch.randint(self.num_magnitude_bins, (batch, 1), generator=generator)
        return draw_operations(TRIVIAL_AUGMENT_WIDE, step, self.num_magnitude_bins, size, generator)


class AutoAugment(Policy):
    """Perform one of 25 learned pairs of operations.

    Args:
        policy: The data they were learned on: ``imagenet``, ``cifar10`` or ``svhn`` (digits).
        interpolation: Of the geometric operations, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Cubuk et al. 2018, in torchvision's form.

    Deviation: torchvision's default is ``nearest``.
    """

    def __init__(
        self,
        policy: str = "imagenet",
        interpolation: str = "bilinear",
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        known = {kind.value: kind for kind in v2.AutoAugmentPolicy}
        # torchvision keeps its 75 learned pairs in a private attribute.
        self.pairs = v2.AutoAugment(known[choice(self, "policy", policy, tuple(known))])._policies

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``operation`` and ``strength``, (B, 2); skipped ones are Identity."""
        names = [[OPERATIONS.index(name) for name, _, _ in pair] for pair in self.pairs]
        chances = [[chance for _, chance, _ in pair] for pair in self.pairs]
        steps = [[step or 0 for _, _, step in pair] for pair in self.pairs]
        pair = torch.randint(len(self.pairs), (batch,), generator=generator)
        operation = torch.tensor(names)[pair]  # (B, 2)
        strength = strengths(SPACE, operation, torch.tensor(steps)[pair], 10, size, generator)
        skipped = torch.rand(batch, 2, generator=generator) > torch.tensor(chances)[pair]
        return {"operation": operation.masked_fill(skipped, IDENTITY), "strength": strength}


class AugMix(Policy):
    """Average the image with a blend of several chains of operations.

    Args:
        severity: Largest strength, from 1 to 10.
        mixture_width: Chains, in [1, 1000].
        chain_depth: Operations per chain, in [1, 1000]; or -1 for 1 to 3, drawn per chain. All
            chains together have at most 1000.
        alpha: Parameter of the shares' Beta and Dirichlet distributions, in [0.001, 1000].
        all_ops: Also change brightness, contrast and sharpness.
        interpolation: Of the geometric operations, ``bilinear`` or ``nearest``.
        fill: Pixel value outside the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Hendrycks et al. 2019, in torchvision's form.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.severity = integer(self, "severity", severity, 1, 10)
        self.mixture_width = integer(self, "mixture_width", mixture_width, 1)
        self.chain_depth = integer(self, "chain_depth", chain_depth, -1)
        if self.chain_depth == 0:
            raise refuse(self, "chain_depth", chain_depth, f"-1 or a whole number in [1, {MOST}]")
        self.longest = LONGEST if self.chain_depth == -1 else self.chain_depth
        if self.mixture_width * self.longest > MOST:
            legal = f"at most {MOST // self.longest} with {self.longest} operations per chain"
            raise refuse(self, "mixture_width", mixture_width, legal)
        self.alpha = number(self, "alpha", alpha, 0.001, 1000)
        if not isinstance(all_ops, bool):
            raise refuse(self, "all_ops", all_ops, "true or false")
        self.all_ops = all_ops

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``operation`` and ``strength``, (B, chains, depth), and the ``shares``.

        The shares are of the image itself and of each chain, (B, 1 + chains), and sum to 1.
        """
        shape = (batch, self.mixture_width, self.longest)
        step = torch.randint(self.severity, shape, generator=generator)
        left_out = () if self.all_ops else COLOURS
        space = {name: s for name, s in AUG_MIX.items() if name not in left_out}
        drawn = draw_operations(space, step, 10, size, generator)
        if self.chain_depth == -1:
            depth = torch.randint(1, LONGEST + 1, (*shape[:2], 1), generator=generator)
            drawn["operation"].masked_fill_(torch.arange(LONGEST) >= depth, IDENTITY)
        mixed = beta(batch, self.alpha, generator)[:, None]
        chains = dirichlet(batch, self.mixture_width, self.alpha, generator) * mixed
        return {**drawn, "shares": torch.cat([1 - mixed, chains], 1)}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Perform the chains and average."""
        itself, *chains = parameters["shares"].T
        mixed = images * per_image(itself)
        for chain, share in enumerate(chains):
            end = super().change(
                images, {name: parameters[name][:, chain] for name in ("operation", "strength")}
            )
            mixed += end * per_image(share)
        return mixed


def draw_operations(
    space: Mapping[str, Strength], step: Tensor, steps: int, size: Size, generator: torch.Generator
) -> Parameters:
    """Draw operations of a space, at given steps of strength.

    Args:
        space: Operations and their strengths.
        step: int64 of any shape, 0 to steps - 1.
        steps: How many there are.
        size: Of the images.
        generator: On the CPU.

    Returns:
        ``operation``, indices into `OPERATIONS`, and ``strength``, both shaped as `step`.
    """
    indices = torch.tensor([OPERATIONS.index(name) for name in space])
    operation = indices[torch.randint(len(space), step.shape, generator=generator)]
    strength = strengths(space, operation, step, steps, size, generator)
    return {"operation": operation, "strength": strength}


def strengths(
    space: Mapping[str, Strength],
    operation: Tensor,
    step: Tensor,
    steps: int,
    size: Size,
    generator: torch.Generator,
) -> Tensor:
    """Return each operation's strength at a step, with a random sign where it has one."""
    still = Strength(lambda steps, size: torch.zeros(steps))
    rows = [space.get(name, still) for name in OPERATIONS]
    table = torch.stack([row.ramp(steps, size) for row in rows])  # (operations, steps)
    signed = torch.tensor([row.signed for row in rows])[operation]
    negative = torch.rand(step.shape, generator=generator) < 0.5
    return torch.where(signed & negative, -1.0, 1.0) * table[operation, step]
