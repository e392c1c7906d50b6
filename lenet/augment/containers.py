"""Transforms made of others: which ones apply, and in what order, is drawn per image."""

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn

from lenet.augment.arguments import MOST, numbers, refuse
from lenet.augment.pipeline import Pipeline
from lenet.augment.transform import BatchTransform, Parameters, Size
from lenet.errors import UsageError


class Container(BatchTransform):
    """A transform that sends each image through some of its parts, one part after another.

    Geometry inside a container is interpolated separately from geometry before and after it.

    Args:
        parts: Chains of the transforms, in their order; none may change an image's size.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, parts: Sequence[Sequence[BatchTransform]], p: float) -> None:
        super().__init__(p)
        place = count()
        # Private, so that torchvision's `repr` shows the members only once.
        self._parts = [Pipeline(part, [next(place) for _ in part]) for part in parts]
        # A ModuleList, so that `modules()` finds them.
        self.members = nn.ModuleList([transform for part in parts for transform in part])

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which part each image goes through at each turn, int64 (B, turns)."""
        raise NotImplementedError

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw the ``turns``, and for every part as if all images went through it.

        Raises:
            UsageError: As `output_size`.
        """
        self.output_size(size)
        drawn = {"turns": self.draw_turns(batch, generator)}
        for i, part in enumerate(self._parts):
            for j, parameters in enumerate(part.draw(batch, size, generator, labels)):
                drawn |= {f"{i}.{j}.{name}": value for name, value in parameters.items()}
        return drawn

    def output_size(self, size: Size) -> Size:
        """Return the same size.

        Raises:
            UsageError: A part changes it, or refuses images of this size.
        """
        path: tuple[str | int, ...] = (self.name, "transforms")
        for part in self._parts:
            try:
                _, *after = part.sizes(size)
            except UsageError as error:
                raise UsageError(str(error), (*path, *(error.path or ()))) from error
            if after[-1] == size:
                continue
            for transform, entry, made in zip(part.transforms, part.entries, after, strict=True):
                if made != size:
                    raise UsageError(
                        f"{self.name}: {transform.name} makes {made[0]}×{made[1]}"
                        f" pixels of {size[0]}×{size[1]}; inside of it the size must not change",
                        (*path, entry, transform.name),
                    )
        return size

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Run each part once per turn, on the images that drew it for that turn."""
        for turn in parameters["turns"].T:
            for i, part in enumerate(self._parts):
                mine = ((turn == i) & parameters["applied"]).nonzero().squeeze(1)
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
    """Apply a chain of transforms to some images and leave the others unchanged.

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
        p: Weights of the transforms, each in [0, 1000], of which one is above 0; None: all alike.
    """

    def __init__(
        self, transforms: Sequence[BatchTransform], p: Sequence[float] | None = None
    ) -> None:
        members = _members(self, transforms)
        super().__init__([[member] for member in members], 1.0)
        weights = [1.0] * len(members) if p is None else p
        self.weights = numbers(self, "p", weights, len(members), 0, MOST)
        if not any(self.weights):
            raise refuse(self, "p", p, "weights of which one is above 0")

    def draw_turns(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw one transform for each image, (B, 1)."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        weights /= weights.max()  # so that tiny weights do not underflow
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
        return torch.rand(batch, len(self._parts), generator=generator).argsort(1)


def _members(owner: Container, transforms: Sequence[BatchTransform]) -> Sequence[BatchTransform]:
    if not isinstance(transforms, list | tuple | nn.ModuleList) or not len(transforms):
        raise refuse(owner, "transforms", transforms, "a list of transforms, at least one")
    for i, transform in enumerate(transforms):
        if not isinstance(transform, BatchTransform):
            raise refuse(owner, f"transforms[{i}]", transform, "a transform of lenet.augment")
    return list(transforms)
