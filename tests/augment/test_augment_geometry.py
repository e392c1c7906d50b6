"""Geometry equals torchvision's at equal parameters; for the border see test_augment_sampling."""

import numpy as np
import pytest
import torch
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode
from torchvision.transforms.v2 import functional as F

from lenet.augment.geometry import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from lenet.augment.occlusion import HideAndSeek
from lenet.augment.policies import AutoAugment
from lenet.errors import UsageError
from lenet.rng import generator


def pictures(batch: int, height: int = 28, width: int = 28) -> torch.Tensor:
    return torch.rand(batch, 1, height, width, generator=generator(0, "pictures"))


def spread_out(transform: RandomAffine, name: str, size: tuple[int, int] = (28, 28)):
    return transform.draw(20_000, size, generator(1, "spread"))[name]


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(28, 28), (13, 22)])
@pytest.mark.parametrize("center", [None, (3.0, 9.0)])
def test_affine_equals_torchvisions(interpolation, size, center):
    images = pictures(16, *size)
    transform = RandomAffine(
        30, (0.2, 0.1), (0.7, 1.4), (-20, 20, -10, 10), interpolation, center=center
    )
    drawn = transform.draw(16, size, generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    for i, image in enumerate(images):
        theirs = F.affine(
            image,
            drawn["degrees"][i].item(),
            drawn["shift_px"][i].tolist(),
            drawn["scale"][i].item(),
            drawn["shear"][i].tolist(),
            interpolation=InterpolationMode(interpolation),
            center=center,
        )
        wrong = ((ours[i] - theirs).abs() > 1e-4).sum()
        # A place within rounding of the middle between two pixels may be given to either.
        assert wrong <= (1 if interpolation == "nearest" else 0)


def test_rotation_equals_torchvisions():
    images = pictures(16)
    transform = RandomRotation((-170, 170), center=(10, 20))
    drawn = transform.draw(16, (28, 28), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    for i, image in enumerate(images):
        theirs = F.rotate(
            image,
            drawn["degrees"][i].item(),
            InterpolationMode.BILINEAR,
            center=[10, 20],
        )
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-4)


def test_rotation_by_90_degrees_turns_counterclockwise():
    images = pictures(2)
    turn = RandomRotation((90, 90))
    turned = turn.apply_to(images, turn.draw(2, (28, 28), generator(0, "test")))
    torch.testing.assert_close(turned, torch.rot90(images, 1, (2, 3)), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("transform", "dim"), [(RandomHorizontalFlip(), 3), (RandomVerticalFlip(), 2)]
)
def test_flips_mirror_about_half_of_the_images(transform, dim):
    images = pictures(400)
    drawn = transform.draw(400, (28, 28), generator(0, "test"))
    expected = torch.where(drawn["applied"].view(-1, 1, 1, 1), images.flip(dim), images)
    torch.testing.assert_close(transform.apply_to(images, drawn), expected, rtol=0, atol=1e-5)
    assert 160 < drawn["applied"].sum() < 240


def test_affine_with_empty_ranges_is_the_identity():
    images = pictures(4)
    still = RandomAffine(0)
    drawn = still.draw(4, (28, 28), generator(0, "test"))
    torch.testing.assert_close(still.apply_to(images, drawn), images, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "name", "low", "high"),
    [
        ({"degrees": 10}, "degrees", -10, 10),
        ({"degrees": (5, 30)}, "degrees", 5, 30),
        ({"scale": (0.5, 3)}, "scale", 0.5, 3),
    ],
)
def test_draws_reach_both_ends_and_stay_within(arguments, name, low, high):
    drawn = spread_out(RandomAffine(**arguments), name)
    assert low <= drawn.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < drawn.max() <= high


def test_shifts_are_whole_pixels_up_to_the_fraction():
    drawn = spread_out(RandomAffine(translate=(0.07, 0.25)), "shift_px", (20, 28))
    assert drawn[:, 0].unique().tolist() == [-2, -1, 0, 1, 2]  # 0.07 · 28 = 1.96
    assert drawn[:, 1].unique().tolist() == list(range(-5, 6))  # 0.25 · 20


def test_one_shear_is_along_x_and_four_are_along_both():
    assert RandomAffine(shear=5).shear == (-5, 5, 0, 0)
    assert RandomAffine(shear=(1, 2)).shear == (1, 2, 0, 0)
    assert RandomAffine(shear=(1, 2, 3, 4)).shear == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degrees": -3}, r"degrees must be a number in \[0, 360\] or a pair .*, not -3"),
        ({"degrees": "ten"}, r"not 'ten'"),
        ({"degrees": True}, r"not True"),
        ({"degrees": (20, 10)}, r"not \(20, 10\)"),
        ({"translate": 0}, r"translate must be a list of 2 numbers"),
        ({"scale": 0}, r"scale must be a pair"),
        ({"shear": False}, r"shear must be a number"),
        ({"translate": (0.1, 1.5)}, r"translate must be a list of 2 numbers in \[0, 1\]"),
        (
            {"scale": (0, 1)},
            r"scale must be a pair \[min, max\], min ≤ max, with both in \[0.001, 1000\]",
        ),
        ({"shear": 90}, r"shear must be .*\[-89, 89\], not 90"),
        ({"scale": float("nan")}, r"not nan"),
        ({"interpolation": "cubic"}, r"interpolation must be 'bilinear' or 'nearest', not 'cubic'"),
        ({"interpolation": ""}, r"interpolation must be 'bilinear' or 'nearest', not ''"),
        ({"interpolation": False}, r"not False"),
        ({"fill": 2}, r"fill must be a number in \[0, 1\], not 2"),
        ({"p": 1.1}, r"p must be a number in \[0, 1\], not 1.1"),
        ({"center": 3}, r"center must be a list of 2 numbers"),
    ],
)
def test_illegal_arguments_name_transform_argument_value_and_interval(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        RandomAffine(**arguments)
    assert str(caught.value).startswith("RandomAffine: ")
    assert caught.value.path == ("RandomAffine", next(iter(arguments)))


def test_arguments_may_be_torchvisions_and_numpys_own():
    affine = RandomAffine(np.float32(10), interpolation=InterpolationMode.NEAREST)
    assert affine.degrees == (-10, 10)
    assert affine.interpolation == "nearest"
    assert HideAndSeek(np.int64(7)).grid == 7
    assert AutoAugment(AutoAugmentPolicy.SVHN).pairs == AutoAugment("svhn").pairs
