"""Transforms one after another, consecutive geometry by one interpolation."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lenet.augment.foreign import AlbumentationsTransform, KorniaTransform, TorchvisionTransform
from lenet.augment.mixing import MixingTransform, shares
from lenet.augment.sampling import Geometry, agree, warp
from lenet.augment.transform import BatchTransform, Parameters, Size, to_device
from lenet.errors import UsageError

if TYPE_CHECKING:
    from lenet.kernels.warp import Sampler

EVERYTHING = slice(None)

Step = tuple[BatchTransform, Parameters]


class Pipeline:
    """Transforms applied one after another, consecutive geometry by one interpolation.

    Args:
        transforms: In order.
        entries: For each transform, the index of its entry in the config; None: one each.
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
        generator: torch.Generator | Sequence[tuple[torch.Generator, int]],
        part: slice = EVERYTHING,
        sampler: "Sampler | None" = None,
    ) -> Tensor:
        """Transform a batch, each image by its own draw.

        Args:
            images: Images in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), for transforms that treat classes differently.
            generator: On the CPU; the same state gives the same result on any device. Several,
                each with the number of images it draws for, transform several batches at once.
            part: The images to transform and return; their draws do not depend on it.
            sampler: Interpolates where geometry stands in this list itself and the sampler covers
                it; None: PyTorch does. The two differ in rounding.

        Raises:
            TypeError: The images are not floats.
        """
        if not images.is_floating_point():
            raise TypeError(f"a pipeline transforms pixels in [0, 1], not {images.dtype}")
        drawn = self._draw_all(images, generator, labels)
        own = [{name: value[part] for name, value in p.items()} for p in drawn]
        changed = self.apply_to(images[part], own, sampler)
        storages = {values.untyped_storage().data_ptr() for values in (images, changed)}
        return changed.clamp(0, 1) if len(storages) == 1 else changed.clamp_(0, 1)

    @property
    def notes(self) -> list[str]:
        """Warnings about slow transforms, a line each."""
        return [
            f"{transform.name} comes from another library and runs image by image, which is slow"
            for transform in self._all()
            if isinstance(transform, TorchvisionTransform | AlbumentationsTransform)
        ]

    @property
    def divisible(self) -> bool:
        """Whether images get the same draws in a part of the batch; with kornia they do not."""
        return not any(isinstance(transform, KorniaTransform) for transform in self._all())

    def _all(self) -> Iterator[nn.Module]:
        """Iterate over the transforms and those inside containers."""
        return chain.from_iterable(transform.modules() for transform in self.transforms)

    def output_size(self, size: Size) -> Size:
        """Return the size of the results for images of `size`.

        Raises:
            UsageError: The images are too small for a crop, or another library's transform
                refuses them or leaves no pixels; the path is (index, name, argument).
        """
        *_, last = self.sizes(size)
        return last

    def sizes(self, size: Size) -> Iterator[Size]:
        """Iterate over the sizes of images of `size`: before, then after each transform.

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

    def _draw_all(
        self,
        images: Tensor,
        generator: torch.Generator | Sequence[tuple[torch.Generator, int]],
        labels: Tensor | None,
    ) -> list[Parameters]:
        """Draw for one batch or for several, one after another; see `__call__`."""
        size = images.shape[-2], images.shape[-1]
        if isinstance(generator, torch.Generator):
            return self.draw(len(images), size, generator, labels)
        counts = [count for _, count in generator]
        parts = [None] * len(counts) if labels is None else torch.split(labels, counts)
        draws = [
            self.draw(count, size, own, part)
            for (own, count), part in zip(generator, parts, strict=True)
        ]
        return [
            {name: torch.cat([parameters[name] for parameters in batches]) for name in batches[0]}
            for batches in zip(*draws, strict=True)
        ]

    def apply_to(
        self, images: Tensor, drawn: Sequence[Parameters], sampler: "Sampler | None" = None
    ) -> Tensor:
        """Apply drawn parameters; an empty batch stays empty."""
        if len(images) == 0:  # a process may have no share of a small batch
            height, width = images.shape[-2:]
            return images.new_empty(0, images.shape[1], *self.output_size((height, width)))
        changed = images if images.dtype == torch.float64 else images.float()
        steps = [(t, to_device(p, changed)) for t, p in zip(self.transforms, drawn, strict=True)]
        for group in _gather(steps):
            geometry = [(t, p) for t, p in group if isinstance(t, Geometry)]
            if geometry:
                changed = warp(changed, geometry, sampler)
            else:
                changed = group[0][0].apply_to(changed, group[0][1])
        return changed.to(images.dtype)


def _gather(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Group consecutive geometry that can be interpolated at once; others stand alone."""
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
        classes: Number of classes.
    """

    def __init__(self, transforms: Sequence[MixingTransform], classes: int) -> None:
        self.transforms = list(transforms)
        self.classes = classes

    def __call__(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args:
            images: Images in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), on the same device.
            generator: On the CPU.

        Returns:
            The images, and the share of each class in each of them, float (B, classes).
        """
        targets = shares(labels, self.classes, images.dtype)
        for transform in self.transforms:
            drawn = transform.draw(len(images), (images.shape[-2], images.shape[-1]), generator)
            images, targets = transform.mix(images, targets, to_device(drawn, images))
        return images, targets
