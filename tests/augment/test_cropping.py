"""Crops equal torchvision's at equal windows."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lenet.augment.cropping import RandomCrop, RandomResizedCrop
from lenet.errors import UsageError
from lenet.rng import generator


def pictures(batch: int, height: int = 28, width: int = 28) -> torch.Tensor:
    return torch.rand(batch, 1, height, width, generator=generator(0, "pictures"))


@pytest.mark.parametrize(
    ("size", "padding"), [(28, 4), ((20, 24), (1, 2)), ((30, 31), (1, 2, 3, 4)), (5, 0)]
)
def test_crop_equals_torchvisions(size, padding):
    images = pictures(32)
    transform = RandomCrop(size, padding, fill=0.5)
    drawn = transform.draw(32, (28, 28), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    sides = padding if isinstance(padding, tuple) else (padding,)
    left, top, right, bottom = (sides * 4)[:4]
    for i, image in enumerate(images):
        padded = F.pad(image, [left, top, right, bottom], fill=0.5)
        corner = [int(drawn["top"][i]) + top, int(drawn["left"][i]) + left]
        theirs = F.crop(padded, *corner, *transform.size)
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-4)


def test_crop_reaches_every_corner():
    drawn = RandomCrop(28, 4).draw(2000, (28, 28), generator(0, "test"))
    assert drawn["left"].unique().tolist() == list(range(-4, 5))
    assert drawn["top"].unique().tolist() == list(range(-4, 5))


def test_sizes_and_paddings_may_be_written_as_torchvisions():
    crop = RandomCrop([28], padding=None)
    assert crop.size == (28, 28)
    assert crop.padding == (0, 0, 0, 0)
    assert RandomResizedCrop([20]).size == (20, 20)


def test_crop_pads_on_both_sides_if_needed():
    transform = RandomCrop(6, pad_if_needed=True)
    drawn = transform.draw(500, (4, 8), generator(0, "test"))
    assert drawn["top"].unique().tolist() == [-2, -1, 0]
    assert drawn["left"].unique().tolist() == [0, 1, 2]
    assert transform.apply_to(pictures(500, 4, 8), drawn).shape == (500, 1, 6, 6)


@pytest.mark.parametrize(("size", "top", "left"), [(27, 1, 1), (20, 4, 4), ((25, 30), 2, -1)])
def test_images_that_are_not_drawn_are_cut_near_the_centre_and_not_blurred(size, top, left):
    transform = RandomCrop(size, pad_if_needed=True, p=0)
    images = pictures(4)
    cut = transform.apply_to(images, transform.draw(4, (28, 28), generator(0, "test")))
    expected = F.crop(images, top, left, *transform.size)
    torch.testing.assert_close(cut, expected, rtol=0, atol=1e-5)


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(UsageError, match=r"size \[32, 32\] is larger than the padded image"):
        RandomCrop(32, 1).draw(1, (28, 28), generator(0, "test"))


@pytest.mark.parametrize("size", [28, (20, 36)])
def test_resized_crop_equals_torchvisions(size):
    images = pictures(32)
    transform = RandomResizedCrop(size, scale=(0.3, 0.9))
    drawn = transform.draw(32, (28, 28), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    for i, image in enumerate(images):
        window = [int(drawn[name][i]) for name in ("top", "left", "height", "width")]
        theirs = F.resized_crop(image, *window, list(transform.size), antialias=False)
        # At the border torchvision repeats the window's last pixels; ours looks beyond them. An
        # outermost row is half a window's pixel wide at most.
        rim = max(transform.size) // min(window[2:]) + 1
        inner = (..., slice(rim, -rim), slice(rim, -rim))
        torch.testing.assert_close(ours[i][inner], theirs[inner], rtol=0, atol=1e-4)


def test_resized_crops_lie_in_their_intervals_and_in_the_image():
    transform = RandomResizedCrop(64, scale=(0.1, 0.5), ratio=(0.5, 2))
    drawn = transform.draw(20_000, (64, 64), generator(0, "test"))
    area = drawn["height"] * drawn["width"] / 64**2
    ratio = drawn["width"] / drawn["height"]
    assert 0.095 < area.min() < 0.11
    assert 0.48 < area.max() < 0.52
    assert 0.48 < ratio.min() < 0.52
    assert 1.9 < ratio.max() < 2.1
    for corner, length in (("top", "height"), ("left", "width")):
        assert drawn[corner].min() == 0
        assert (drawn[corner] + drawn[length]).max() == 64


@pytest.mark.parametrize("ratio", [(2.0, 2.0), (0.25, 0.5)])
def test_resized_crop_takes_torchvisions_central_window_if_none_fits(ratio):
    theirs = v2.RandomResizedCrop(28, (1, 1), ratio).make_params([torch.zeros(1, 28, 28)])
    drawn = RandomResizedCrop(28, (1, 1), ratio).draw(2, (28, 28), generator(0, "test"))
    assert {name: drawn[name].tolist() for name in theirs} == {
        name: [value, value] for name, value in theirs.items()
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomCrop(0), r"RandomCrop: size must be a whole number in \[1, 1000\], not 0"),
        (lambda: RandomCrop(28, -1), r"padding must be a whole number in \[0, 1000\], not -1"),
        (lambda: RandomCrop(28, (1, 2, 3)), "padding must be 1, 2 or 4 whole numbers"),
        (lambda: RandomCrop(28, pad_if_needed=1), "pad_if_needed must be true or false, not 1"),
        (lambda: RandomResizedCrop(28, (0, 1)), r"scale must be .* both in \(0, 1\]"),
        (lambda: RandomResizedCrop(28, ratio=2), r"ratio must be a pair"),
    ],
)
def test_illegal_crops_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()
