"""Stretching and squeezing move pixels to where the arithmetic says; some classes turn less."""

import pytest
import torch

from lenet.augment.distortions import RandomRotationOrShear, RandomSqueeze, RandomStretch
from lenet.augment.presets import ciresan_2010, paper_1998
from lenet.errors import UsageError
from lenet.rng import generator


def square(side: int) -> torch.Tensor:
    """A filled square in the middle of 28×28 pixels."""
    image = torch.zeros(1, 1, 28, 28)
    edge = (28 - side) // 2
    image[..., edge : edge + side, edge : edge + side] = 1
    return image


def extent(image: torch.Tensor) -> tuple[float, float]:
    """Width and height of the pixels along the middle row and column."""
    return float(image[0, 0, 14].sum()), float(image[0, 0, :, 14].sum())


def test_stretch_scales_width_and_height_apart():
    transform = RandomStretch((1.5, 1.5), (0.5, 0.5))
    stretched = transform.apply_to(square(8), transform.draw(1, (28, 28), generator(0, "test")))
    assert extent(stretched) == pytest.approx((12, 4), abs=0.01)


def test_squeeze_keeps_the_area():
    transform = RandomSqueeze((2, 2))
    squeezed = transform.apply_to(square(8), transform.draw(1, (28, 28), generator(0, "test")))
    assert extent(squeezed) == pytest.approx((16, 4), abs=0.01)


def test_ones_and_sevens_turn_half_as_far():
    labels = torch.arange(10).repeat(4000)
    drawn = RandomRotationOrShear().draw(40_000, (28, 28), generator(0, "test"), labels)
    narrow = (labels == 1) | (labels == 7)
    for name in ("rotation", "shear"):
        assert 7.4 < drawn[name][narrow].abs().max() <= 7.5
        assert 14.8 < drawn[name][~narrow].abs().max() <= 15
    assert ((drawn["rotation"] == 0) | (drawn["shear"] == 0)).all()
    assert 0.48 < (drawn["shear"] == 0).float().mean() < 0.52


def test_all_classes_turn_little_if_labels_are_unknown():
    drawn = RandomRotationOrShear().draw(5000, (28, 28), generator(0, "test"))
    assert drawn["rotation"].abs().max() <= 7.5


def test_narrow_labels_are_checked():
    with pytest.raises(UsageError, match="narrow_labels must be a list of whole numbers"):
        RandomRotationOrShear(narrow_labels=1)


@pytest.mark.parametrize("preset", [paper_1998, ciresan_2010])
def test_presets_keep_most_of_the_ink_where_it_was(preset):
    six = torch.zeros(28, 28)  # a bold stem above the left of a bold bowl
    six[4:24, 6:13] = six[14:24, 6:22] = 1
    images = six.expand(256, 1, 28, 28)
    changed = images
    for i, transform in enumerate(preset()):
        changed = transform.apply_to(changed, transform.draw(256, (28, 28), generator(0, "t", i)))
    overlap = (changed * images).sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert overlap.mean() < 0.97
    turned = images.flip(2, 3)  # a 9
    assert ((changed * images).sum((1, 2, 3)) > (changed * turned).sum((1, 2, 3))).all()
    assert overlap.min() > 0.4
