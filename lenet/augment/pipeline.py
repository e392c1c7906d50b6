"""Pipelines of transforms, and the tables that name them."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor

from lenet.augment.clahe import CLAHE
from lenet.augment.cropping import RandomCrop, RandomResizedCrop
from lenet.augment.distortions import RandomRotationOrShear, RandomSqueeze, RandomStretch
from lenet.augment.elastic import ElasticTransform
from lenet.augment.foreign import (
    LIBRARIES,
    TORCHVISION,
    AlbumentationsTransform,
    KorniaTransform,
    TorchvisionTransform,
    find_foreign,
    foreign_names,
)
from lenet.augment.geometry import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from lenet.augment.mixing import CLASSES, CutMix, MixingTransform, MixUp, Mosaic, shares
from lenet.augment.occlusion import Cutout, HideAndSeek, RandomErasing
from lenet.augment.perspective import RandomPerspective
from lenet.augment.photometry import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomGamma,
    RandomInvert,
)
from lenet.augment.policies import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from lenet.augment.presets import ciresan_2010, paper_1998
from lenet.augment.sampling import Geometry, warp
from lenet.augment.transform import BatchTransform, Parameters, Size, to_device
from lenet.errors import UsageError

T = TypeVar("T")

EVERYTHING = slice(None)

Spec = Mapping[str, Mapping[str, Any] | None]
"""A transform's name and its arguments, if any: ``{"RandomErasing": {"p": 0.25}}``."""

AUGMENTATIONS: dict[str, type[BatchTransform]] = {
    "RandomAffine": RandomAffine,
    "RandomRotation": RandomRotation,
    "RandomCrop": RandomCrop,
    "RandomHorizontalFlip": RandomHorizontalFlip,
    "RandomVerticalFlip": RandomVerticalFlip,
    "RandomPerspective": RandomPerspective,
    "RandomResizedCrop": RandomResizedCrop,
    "ElasticTransform": ElasticTransform,
    "RandomStretch": RandomStretch,
    "RandomSqueeze": RandomSqueeze,
    "RandomRotationOrShear": RandomRotationOrShear,
    "GaussianNoise": GaussianNoise,
    "ColorJitter": ColorJitter,
    "RandomGamma": RandomGamma,
    "GaussianBlur": GaussianBlur,
    "RandomAdjustSharpness": RandomAdjustSharpness,
    "RandomAutocontrast": RandomAutocontrast,
    "RandomInvert": RandomInvert,
    "CLAHE": CLAHE,
    "RandomErasing": RandomErasing,
    "HideAndSeek": HideAndSeek,
    "Cutout": Cutout,
    "AutoAugment": AutoAugment,
    "RandAugment": RandAugment,
    "TrivialAugmentWide": TrivialAugmentWide,
    "AugMix": AugMix,
}
"""What may stand under ``augment:``, besides `PRESETS` and `TORCHVISION`."""

PRESETS: dict[str, Callable[[], list[BatchTransform]]] = {
    "Paper1998": paper_1998,
    "Ciresan2010": ciresan_2010,
}
"""Chains of transforms that may stand under ``augment:`` by one name."""

MIXINGS: dict[str, type[MixingTransform]] = {
    "MixUp": MixUp,
    "CutMix": CutMix,
    "Mosaic": Mosaic,
}
"""What may stand under ``mix:``."""


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
            images: Ink in [0, 1], float (B, C, H, W), on any device; left unchanged.
            labels: int64 (B,), for transforms that treat classes differently.
            generator: On the CPU; the same state gives the same result on any device.
            part: The images to transform and return; what is drawn for them does not depend on it.
        """
        drawn = self.draw(len(images), (images.shape[-2], images.shape[-1]), generator, labels)
        own = [{name: value[part] for name, value in p.items()} for p in drawn]
        return self.apply_to(images[part], own)

    @property
    def notes(self) -> list[str]:
        """What a user should know about the transforms' cost, a line each."""
        return [
            f"{transform.name} is another library's and runs image by image: this is the slow path"
            for transform in self.transforms
            if isinstance(transform, TorchvisionTransform | AlbumentationsTransform)
        ]

    @property
    def divisible(self) -> bool:
        """Whether a part of a batch is transformed as in the whole of it; kornia's draws depend."""
        return not any(isinstance(transform, KorniaTransform) for transform in self.transforms)

    def output_size(self, size: Size) -> Size:
        """Return what size images of `size` get.

        Raises:
            UsageError: They are too small for a crop, or another library's transform refuses them;
                the path is (index, name, argument).
        """
        for transform, entry in zip(self.transforms, self.entries, strict=True):
            try:
                size = transform.output_size(size)
            except UsageError as error:
                raise UsageError(str(error), (entry, *(error.path or ()))) from error
        return size

    def draw(
        self,
        batch: int,
        size: Size,
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
        """Apply what was drawn; of no images, none are left."""
        if len(images) == 0:  # the share of a process that a small batch leaves out
            height, width = images.shape[-2:]
            return images.new_empty(0, images.shape[1], *self.output_size((height, width)))
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


def list_transforms() -> dict[str, str]:
    """Return the name of every transform of ours and the first line of its description."""
    known = [*AUGMENTATIONS.items(), *PRESETS.items(), *MIXINGS.items()]
    return {name: (made.__doc__ or "").partition("\n")[0] for name, made in known}


def build_pipeline(specs: Sequence[Spec]) -> Pipeline:
    """Build the transforms that a config lists under ``augment:``.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    transforms: list[BatchTransform] = []
    entries: list[int] = []
    for index, spec in enumerate(specs):
        made = _build(spec, index, _find_augmentation)
        several = made if isinstance(made, list) else [made]
        transforms += several
        entries += [index] * len(several)
    return Pipeline(transforms, entries)


def build_mixing(specs: Sequence[Spec]) -> Mixing:
    """Build the transforms that a config lists under ``mix:``.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    return Mixing([_build(spec, i, _find_mixing) for i, spec in enumerate(specs)])


def _find_augmentation(name: str) -> Callable[..., BatchTransform | list[BatchTransform]]:
    if name in MIXINGS:
        raise UsageError(f"{name} mixes images and labels: it belongs under mix:")
    found = AUGMENTATIONS.get(name) or PRESETS.get(name) or find_foreign(name)
    if found is None:
        library = name.partition(".")[0]
        known = [*AUGMENTATIONS, *PRESETS, *TORCHVISION]
        if library in LIBRARIES:
            known = [f"{library}.{short}" for short in foreign_names(library)]
        raise _unknown(name, known)
    return found


def _find_mixing(name: str) -> Callable[..., MixingTransform]:
    if name not in MIXINGS:
        raise _unknown(name, list(MIXINGS))
    return MIXINGS[name]


def _unknown(name: str, known: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return UsageError(f"unknown transform {name!r}; {advice}")


def _build(spec: Spec, index: int, find: Callable[[str], Callable[..., T]]) -> T:
    """Make what one entry of a list describes.

    Raises:
        UsageError: It cannot be made; its path begins with the index.
    """
    if len(spec) != 1:
        raise UsageError("expected one transform, such as `RandomErasing: {p: 0.25}`", (index,))
    name, given = next(iter(spec.items()))
    arguments = given or {}
    try:
        make = find(name)
        _check_arguments(name, arguments, inspect.signature(make).parameters)
        return make(**arguments)
    except UsageError as error:
        raise UsageError(str(error), (index, *(error.path or (name,)))) from error


def _check_arguments(
    name: str, arguments: Mapping[str, Any], legal: Mapping[str, inspect.Parameter]
) -> None:
    """Check the arguments' names.

    Raises:
        UsageError: One is unknown or missing.
    """
    for argument in arguments:
        if argument not in legal:
            near = difflib.get_close_matches(argument, legal, n=1)
            known = f"it has {', '.join(legal)}" if legal else "it has none"
            advice = f"did you mean {near[0]!r}?" if near else known
            raise UsageError(f"{name} has no argument {argument!r}; {advice}", (name, argument))
    for argument, parameter in legal.items():
        if parameter.default is parameter.empty and argument not in arguments:
            raise UsageError(f"{name}: {argument} is missing", (name,))
