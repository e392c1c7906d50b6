"""Chains of distortions that papers used on MNIST."""

from lenet.augment.distortions import RandomRotationOrShear, RandomSqueeze, RandomStretch
from lenet.augment.elastic import ElasticTransform
from lenet.augment.geometry import RandomAffine
from lenet.augment.transform import BatchTransform


def paper_1998() -> list[BatchTransform]:
    """The 1998 paper's distortions: shift, scaling, squeezing and horizontal shear.

    Shifts of up to 1 pixel along each axis, sizes of 0.9 to 1.1, widths of 0.9 to 1.1 with heights
    divided by them, shears of up to 10°.

    Source: Section III.C, which names these planar affine transformations.

    Deviation: the paper gives no ranges. Ours were estimated by eye from its Figure 7.
    """
    return [
        RandomAffine(translate=(0.04, 0.04), scale=(0.9, 1.1), shear=10),
        RandomSqueeze((0.9, 1.1)),
    ]


def ciresan_2010() -> list[BatchTransform]:
    """The deformations of the "deep, big, simple" networks of 2010.

    Rotation or horizontal shear of up to 15°, of up to 7.5° for 1 and 7; width and height scaled by
    up to 17.5 %, each on its own; elastic deformation with σ = 5.5 and α = 37 (74 in torchvision's
    unit, which is half a pixel).

    Source: Cireşan et al. 2010, section 2.1: β = 15° and 7.5°, γ of 15 to 20 %, σ of 5 to 6, α of
    36 to 38.

    Deviation: we take the middle of each interval; the elastic deformation comes last, where it
    costs least.
    """
    return [
        RandomRotationOrShear(degrees=15, narrow_degrees=7.5),
        RandomStretch((0.825, 1.175), (0.825, 1.175)),
        ElasticTransform(alpha=74, sigma=5.5),
    ]
