"""Pipelines of transforms, and the tables that name them."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor

from lenet.augment.elastic import ElasticTransform
from lenet.augment.geometry import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from lenet.augment.mixing import CLASSES, CutMix, MixingTransform, MixUp, shares
from lenet.augment.occlusion import RandomErasing
from lenet.augment.sampling import Geometry, warp
from lenet.augment.transform import BatchTransform, Parameters, to_device
from lenet.errors import UsageError

T = TypeVar("T")

Spec = dict[str, dict[str, Any]]
"""A transform's name and arguments: ``{"RandomErasing": {"p": 0.25}}``."""

AUGMENTATIONS: dict[str, type[BatchTransform]] = {
    "RandomAffine": RandomAffine,
    "RandomRotation": RandomRotation,
    "RandomHorizontalFlip": RandomHorizontalFlip,
    "RandomVerticalFlip": RandomVerticalFlip,
    "ElasticTransform": ElasticTransform,
    "RandomErasing": RandomErasing,
}
"""What may stand under ``augment:``."""

MIXINGS: dict[str, type[MixingTransform]] = {
    "MixUp": MixUp,
    "CutMix": CutMix,
}
"""What may stand under ``mix:``."""


class Pipeline:
    """Transforms applied one after another, consecutive geometry by one interpolation.

    Args:
        transforms: In order.
    """

    def __init__(self, transforms: Sequence[BatchTransform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, images: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Transform a batch, each image by a draw of its own.

        Args:
            images: Ink in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), for transforms that treat classes differently.
            generator: On the CPU; the same state gives the same result on any device.
        """
        drawn = self.draw(len(images), (images.shape[-2], images.shape[-1]), generator, labels)
        return self.apply_to(images, drawn)

    def draw(
        self,
        batch: int,
        size: tuple[int, int],
        generator: torch.Generator,
        labels: Tensor | None = None,
    ) -> list[Parameters]:
        """Draw for each transform, in order; see `BatchTransform.draw`."""
        drawn = []
        for transform in self.transforms:
            drawn.append(transform.draw(batch, size, generator, labels))
            size = transform.output_size(size)
        return drawn

    def apply_to(self, images: Tensor, drawn: Sequence[Parameters]) -> Tensor:
        """Apply what was drawn."""
        changed = images if images.dtype == torch.float64 else images.float()
        steps = [(t, to_device(p, changed)) for t, p in zip(self.transforms, drawn, strict=True)]
        for kind, group in groupby(steps, key=lambda step: _kind(step[0])):
            if kind is None:
                for transform, parameters in group:
                    changed = transform.apply_to(changed, parameters)
            else:
                changed = warp(changed, list(group))
        return changed.clamp(0, 1).to(images.dtype)


def _kind(transform: BatchTransform) -> tuple[str, float] | None:
    """Return what consecutive geometry must share to be interpolated at once."""
    if isinstance(transform, Geometry):
        return transform.interpolation, transform.fill
    return None


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
            images: Ink in [0, 1], float (B, C, H, W), on any device; left unchanged.
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


def build_pipeline(specs: Sequence[Spec]) -> Pipeline:
    """Build the transforms that a config lists under ``augment:``.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    return Pipeline([_build(spec, i, AUGMENTATIONS) for i, spec in enumerate(specs)])


def build_mixing(specs: Sequence[Spec]) -> Mixing:
    """Build the transforms that a config lists under ``mix:``.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    return Mixing([_build(spec, i, MIXINGS) for i, spec in enumerate(specs)])


def _build(spec: Spec, index: int, table: Mapping[str, type[T]]) -> T:
    if len(spec) != 1:
        raise UsageError("expected one transform, such as `RandomErasing: {p: 0.25}`", (index,))
    name, arguments = next(iter(spec.items()))
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(table)}"
        raise UsageError(f"unknown transform {name!r}; {advice}", (index, name))
    legal = inspect.signature(table[name]).parameters
    for argument in arguments:
        if argument not in legal:
            near = difflib.get_close_matches(argument, legal, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(legal)}"
            raise UsageError(
                f"{name} has no argument {argument!r}; {advice}", (index, name, argument)
            )
    for argument, parameter in legal.items():
        if parameter.default is parameter.empty and argument not in arguments:
            raise UsageError(f"{name}: {argument} is missing", (index, name))
    try:
        return table[name](**arguments)
    except UsageError as error:
        raise UsageError(str(error), (index, *(error.path or ()))) from error
