"""Transforms one after another, consecutive geometry by one interpolation."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from lenet.augment.foreign import AlbumentationsTransform, KorniaTransform, TorchvisionTransform
from lenet.augment.mixing import CLASSES, MixingTransform, shares
from lenet.augment.sampling import Geometry, agree, warp
from lenet.augment.transform import BatchTransform, Parameters, Size, to_device
from lenet.errors import UsageError

EVERYTHING = slice(None)

Step = tuple[BatchTransform, Parameters]


class Pipeline:
    """Transforms applied one after another, consecutive geometry by one interpolation.

    Args:
        transforms: In order.
        entries: Which entry of a config's list each comes from; None: one each.
    """

    def __init__(
        self, transforms: Sequence[BatchTransform], entries: Sequence[int] | None = None
    ) -> None:
        self.transforms = list(transforms)
        self.entries = list(range(len(self.transforms)) if entries is None else entries)

    def __call__(
        self,
        images: Tensor,
        labels: Tensor | None,
        generator: torch.Generator,
        part: slice = EVERYTHING,
    ) -> Tensor:
        """Transform a batch, each image by a draw of its own.

        Args:
            images: Images in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), for transforms that treat classes differently.
            generator: On the CPU; the same state gives the same result on any device.
            part: The images to transform and return; what is drawn for them does not depend on it.

        Raises:
            TypeError: The images are no floats.
        """
        if not images.is_floating_point():
            raise TypeError(f"a pipeline transforms pixels in [0, 1], not {images.dtype}")
        drawn = self.draw(len(images), (images.shape[-2], images.shape[-1]), generator, labels)
        own = [{name: value[part] for name, value in p.items()} for p in drawn]
        return self.apply_to(images[part], own).clamp(0, 1)

    @property
    def notes(self) -> list[str]:
        """What a user should know about the transforms' cost, a line each."""
        return [
            f"{transform.name} is another library's and runs image by image: this is the slow path"
            for transform in self._all()
            if isinstance(transform, TorchvisionTransform | AlbumentationsTransform)
        ]

    @property
    def divisible(self) -> bool:
        """Whether a part of a batch is transformed as in the whole of it; kornia's draws depend."""
        return not any(isinstance(transform, KorniaTransform) for transform in self._all())

    def _all(self) -> Iterator[nn.Module]:
        """Go through the transforms and those that they are made of."""
        return chain.from_iterable(transform.modules() for transform in self.transforms)

    def output_size(self, size: Size) -> Size:
        """Return what size images of `size` get.

        Raises:
            UsageError: They are too small for a crop, nothing is left of them, or another library's
                transform refuses them; the path is (index, name, argument).
        """
        *_, last = self.sizes(size)
        return last

    def sizes(self, size: Size) -> Iterator[Size]:
        """Go through the sizes that images of `size` get, theirs first, then after each transform.

        Raises:
            UsageError: As `output_size`.
        """
        yield size
        for transform, entry in zip(self.transforms, self.entries, strict=True):
            try:
                size = transform.output_size(size)
            except UsageError as error:
                raise UsageError(str(error), (entry, *(error.path or ()))) from error
            yield size

    def draw(
        self,
        batch: int,
        size: Size,
        generator: torch.Generator,
        labels: Tensor | None = None,
    ) -> list[Parameters]:
        """Draw for each transform, in order; see `BatchTransform.draw`."""
        return [
            transform.draw(batch, before, generator, labels)
            for transform, before in zip(self.transforms, self.sizes(size), strict=False)
        ]

    def apply_to(self, images: Tensor, drawn: Sequence[Parameters]) -> Tensor:
        """Apply what was drawn; of no images, none are left."""
        if len(images) == 0:  # the share of a process that a small batch leaves out
            height, width = images.shape[-2:]
            return images.new_empty(0, images.shape[1], *self.output_size((height, width)))
        changed = images if images.dtype == torch.float64 else images.float()
        steps = [(t, to_device(p, changed)) for t, p in zip(self.transforms, drawn, strict=True)]
        for group in _gather(steps):
            geometry = [(t, p) for t, p in group if isinstance(t, Geometry)]
            changed = (
                warp(changed, geometry) if geometry else group[0][0].apply_to(changed, group[0][1])
            )
        return changed.to(images.dtype)


def _gather(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Put consecutive geometry together that can be interpolated at once; all else stands alone."""
    group: list[Step] = []
    for step in steps:
        if group and not agree([transform for transform, _ in (*group, step)]):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


class Mixing:
    """Transforms of images and labels, one after another.

    Args:
        transforms: In order.
    """

    def __init__(self, transforms: Sequence[MixingTransform]) -> None:
        self.transforms = list(transforms)

    def __call__(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args:
            images: Images in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), on the same device.
            generator: On the CPU.

        Returns:
            The images, and the share of each class in each of them, float (B, 10).
        """
        targets = shares(labels, CLASSES, images.dtype)
        for transform in self.transforms:
            drawn = transform.draw(len(images), (images.shape[-2], images.shape[-1]), generator)
            images, targets = transform.mix(images, targets, to_device(drawn, images))
        return images, targets
