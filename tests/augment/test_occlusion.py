"""Occlusion hides what it says, where it says."""

import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.occlusion import RandomErasing, boxes
from lenet.random import generator


def test_a_box_is_half_open():
    one = torch.ones(1)
    inside = boxes(torch.zeros(1, 1, 4, 5), one, one * 2, one * 3, one * 4)
    assert inside[0, 0].nonzero().tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]


def test_erasing_equals_torchvisions():
    images = torch.rand(64, 1, 28, 20, generator=generator(0, "pictures"))
    transform = RandomErasing(p=1, value="random")
    drawn = transform.draw(64, (28, 20), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    for i, image in enumerate(images):
        top, left, height, width = (
            int(drawn[name][i]) for name in ("top", "left", "height", "width")
        )
        values = drawn["values"][i, :, top : top + height, left : left + width]
        theirs = F.erase(image, top, left, height, width, values)
        assert torch.equal(ours[i], theirs)


def test_erased_areas_and_ratios_lie_in_their_intervals():
    transform = RandomErasing(p=1, scale=(0.1, 0.2), ratio=(0.5, 2))
    drawn = transform.draw(20_000, (64, 64), generator(0, "test"))
    area = drawn["height"] * drawn["width"] / 64**2
    ratio = drawn["height"] / drawn["width"]
    assert 0.09 < area.min() < 0.105  # sides are rounded to whole pixels
    assert 0.195 < area.max() < 0.21
    assert 0.45 < ratio.min() < 0.52
    assert 1.9 < ratio.max() < 2.2
    assert drawn["top"].min() == 0
    assert (drawn["top"] + drawn["height"]).max() == 64


def test_an_image_stays_whole_if_no_rectangle_fits():
    transform = RandomErasing(p=1)
    drawn = transform.draw(4, (1, 1), generator(0, "test"))
    images = torch.rand(4, 1, 1, 1)
    assert torch.equal(transform.apply_to(images, drawn), images)


def test_half_of_the_images_are_erased():
    images = torch.ones(2000, 1, 28, 28)
    transform = RandomErasing(p=0.5, value=0.25)
    erased = transform.apply_to(images, transform.draw(2000, (28, 28), generator(0, "test")))
    assert 0.45 < (erased.amin((1, 2, 3)) == 0.25).float().mean() < 0.55
