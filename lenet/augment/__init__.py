"""Transforms of whole batches, with one draw per image.

    from lenet.augment import Compose, ElasticTransform, RandomAffine

A transform draws its parameters from a generator and applies them: `BatchTransform.draw` and
`BatchTransform.apply_to`. Images are pixels in [0, 1], float (B, C, H, W), 0 = background.
`lenet.augment.catalogue` builds transforms from what a config lists: those that stand here.
"""

from lenet.augment.clahe import CLAHE as CLAHE
from lenet.augment.containers import Compose as Compose
from lenet.augment.containers import RandomApply as RandomApply
from lenet.augment.containers import RandomChoice as RandomChoice
from lenet.augment.containers import RandomOrder as RandomOrder
from lenet.augment.cropping import RandomCrop as RandomCrop
from lenet.augment.cropping import RandomResizedCrop as RandomResizedCrop
from lenet.augment.distortions import RandomRotationOrShear as RandomRotationOrShear
from lenet.augment.distortions import RandomSqueeze as RandomSqueeze
from lenet.augment.distortions import RandomStretch as RandomStretch
from lenet.augment.elastic import ElasticTransform as ElasticTransform
from lenet.augment.geometry import RandomAffine as RandomAffine
from lenet.augment.geometry import RandomHorizontalFlip as RandomHorizontalFlip
from lenet.augment.geometry import RandomRotation as RandomRotation
from lenet.augment.geometry import RandomVerticalFlip as RandomVerticalFlip
from lenet.augment.mixing import CutMix as CutMix
from lenet.augment.mixing import MixUp as MixUp
from lenet.augment.mixing import Mosaic as Mosaic
from lenet.augment.occlusion import Cutout as Cutout
from lenet.augment.occlusion import HideAndSeek as HideAndSeek
from lenet.augment.occlusion import RandomErasing as RandomErasing
from lenet.augment.perspective import RandomPerspective as RandomPerspective
from lenet.augment.photometry import ColorJitter as ColorJitter
from lenet.augment.photometry import GaussianBlur as GaussianBlur
from lenet.augment.photometry import GaussianNoise as GaussianNoise
from lenet.augment.photometry import RandomAdjustSharpness as RandomAdjustSharpness
from lenet.augment.photometry import RandomAutocontrast as RandomAutocontrast
from lenet.augment.photometry import RandomGamma as RandomGamma
from lenet.augment.photometry import RandomInvert as RandomInvert
from lenet.augment.pipeline import Mixing as Mixing
from lenet.augment.pipeline import Pipeline as Pipeline
from lenet.augment.policies import AugMix as AugMix
from lenet.augment.policies import AutoAugment as AutoAugment
from lenet.augment.policies import RandAugment as RandAugment
from lenet.augment.policies import TrivialAugmentWide as TrivialAugmentWide
from lenet.augment.transform import BatchTransform as BatchTransform
