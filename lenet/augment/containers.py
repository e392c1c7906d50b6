"""Transforms made of others: each image draws which of them it gets, and in what order."""

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn

from lenet.augment.arguments import numbers, refuse
from lenet.augment.pipeline import Pipeline
from lenet.augment.transform import BatchTransform, Parameters, Size
from lenet.errors import UsageError


class Container(BatchTransform):
    """A transform that sends each image through some of its parts, one part after another.

    Args:
        parts: Chains of the transforms, in their order; none may change an image's size.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, parts: Sequence[Sequence[BatchTransform]], p: float) -> None:
        super().__init__(p)
        place = count()
        self.parts = [Pipeline(part, [next(place) for _ in part]) for part in parts]
        # Found by `modules`, as parts of torch's modules are.
        self.members = nn.ModuleList([transform for part in parts for transform in part])

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which part each image goes through at each turn, int64 (B, turns)."""
        raise NotImplementedError

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw the ``turns``, and for every part as if all images went through it."""
        drawn = {"turns": self.draw_turns(batch, generator)}
        for i, part in enumerate(self.parts):
            for j, parameters in enumerate(part.draw(batch, size, generator, labels)):
                drawn |= {f"{i}.{j}.{name}": value for name, value in parameters.items()}
        return drawn

    def output_size(self, size: Size) -> Size:
        """Return the same size.

        Raises:
            UsageError: A part changes it, or refuses images of this size.
        """
        for part in self.parts:
            try:
                after = part.output_size(size)
            except UsageError as error:
                path = (self.name, "transforms", *(error.path or ()))
                raise UsageError(str(error), path) from error
            if after != size:
                raise UsageError(
                    f"{self.name}: {part.transforms[-1].name} makes {after[0]}×{after[1]}"
                    f" pixels of {size[0]}×{size[1]}; inside of it sizes must stay",
                    (self.name, "transforms"),
                )
        return size

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Send the images that have the same part in the same turn through it together."""
        for turn in parameters["turns"].T:
            for i, part in enumerate(self.parts):
                mine = (turn == i).nonzero().squeeze(1)
                drawn = [
                    {
                        name.removeprefix(f"{i}.{j}."): value[mine]
                        for name, value in parameters.items()
                        if name.startswith(f"{i}.{j}.")
                    }
                    for j in range(len(part.transforms))
                ]
                images = images.index_copy(0, mine, part.apply_to(images[mine], drawn))
        return images


class RandomApply(Container):
    """Apply a chain of transforms to some images and leave the others alone.

    Args:
        transforms: The chain, at least one.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, transforms: Sequence[BatchTransform], p: float = 0.5) -> None:
        super().__init__([_members(self, transforms)], p)

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return the one chain for every image, (B, 1)."""
        return torch.zeros(batch, 1, dtype=torch.int64)


class Compose(RandomApply):
    """Apply transforms one after another: a chain where one transform is expected.

    Args:
        transforms: The chain, at least one.
    """

    def __init__(self, transforms: Sequence[BatchTransform]) -> None:
        super().__init__(transforms, 1.0)


class RandomChoice(Container):
    """Apply one of several transforms, drawn for each image.

    Args:
        transforms: To choose from, at least one.
        p: Weights of the transforms, each in [0, 1], of which one is above 0; None: all alike.
    """

    def __init__(
        self, transforms: Sequence[BatchTransform], p: Sequence[float] | None = None
    ) -> None:
        members = _members(self, transforms)
        super().__init__([[member] for member in members], 1.0)
        weights = [1.0] * len(members) if p is None else p
        self.weights = numbers(self, "p", weights, len(members), 0, 1)
        if not any(self.weights):
            raise refuse(self, "p", p, "weights of which one is above 0")

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw one transform for each image, (B, 1)."""
        weights = torch.tensor(self.weights)
        return torch.multinomial(weights, batch, replacement=True, generator=generator)[:, None]


class RandomOrder(Container):
    """Apply all of several transforms, in an order drawn for each image.

    Args:
        transforms: At least one.
    """

    def __init__(self, transforms: Sequence[BatchTransform]) -> None:
        super().__init__([[member] for member in _members(self, transforms)], 1.0)

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw an order for each image, (B, transforms)."""
        return torch.rand(batch, len(self.parts), generator=generator).argsort(1)


def _members(owner: Container, transforms: Sequence[BatchTransform]) -> Sequence[BatchTransform]:
    known = isinstance(transforms, list | tuple) and transforms
    if not known or not all(isinstance(t, BatchTransform) for t in transforms):
        raise refuse(owner, "transforms", transforms, "a list of transforms, at least one")
    return transforms
