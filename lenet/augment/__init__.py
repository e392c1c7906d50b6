"""Transforms of whole batches, with one draw per image.

    from lenet.augment import Compose, ElasticTransform, RandomAffine

A transform draws its parameters from a generator and applies them: `BatchTransform.draw` and
`BatchTransform.apply_to`. Images are pixels in [0, 1], float (B, C, H, W), 0 = background.
`lenet.augment.catalogue` builds transforms from what a config lists.
"""

from lenet.augment.clahe import CLAHE
from lenet.augment.containers import Compose, RandomApply, RandomChoice, RandomOrder
from lenet.augment.cropping import RandomCrop, RandomResizedCrop
from lenet.augment.distortions import RandomRotationOrShear, RandomSqueeze, RandomStretch
from lenet.augment.elastic import ElasticTransform
from lenet.augment.geometry import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from lenet.augment.mixing import CutMix, MixUp, Mosaic
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
from lenet.augment.pipeline import Mixing, Pipeline
from lenet.augment.policies import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from lenet.augment.transform import BatchTransform

__all__ = [
    "CLAHE",
    "AugMix",
    "AutoAugment",
    "BatchTransform",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "HideAndSeek",
    "MixUp",
    "Mixing",
    "Mosaic",
    "Pipeline",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGamma",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomRotationOrShear",
    "RandomSqueeze",
    "RandomStretch",
    "RandomVerticalFlip",
    "TrivialAugmentWide",
]
