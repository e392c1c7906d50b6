"""Occlusion hides what it says, where it says."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.occlusion import Cutout, HideAndSeek, RandomErasing, boxes
from lenet.rng import generator


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


def test_cutout_hides_squares_that_may_stick_out():
    drawn = {
        "applied": torch.tensor([True, False]),
        "top": torch.tensor([[-1, 2], [0, 0]]),
        "left": torch.tensor([[-1, 3], [0, 0]]),
    }
    hidden = Cutout(n_holes=2, length=2, value=0.25).apply_to(torch.ones(2, 1, 4, 4), drawn)
    assert hidden[0, 0].tolist() == [
        [0.25, 1, 1, 1],
        [1, 1, 1, 1],
        [1, 1, 1, 0.25],
        [1, 1, 1, 0.25],
    ]
    assert hidden[1].eq(1).all()


def test_cutouts_squares_lie_around_every_pixel():
    drawn = Cutout(length=8).draw(20_000, (28, 20), generator(0, "test"))
    assert drawn["top"].unique().tolist() == list(range(-4, 24))
    assert drawn["left"].unique().tolist() == list(range(-4, 16))


def test_hide_and_seek_hides_cells_of_its_grid():
    hidden = torch.tensor([[[True, False], [False, True]]])
    drawn = {"applied": torch.tensor([True]), "hidden": hidden}
    changed = HideAndSeek(grid=2, value=0.5).apply_to(torch.ones(1, 1, 4, 6), drawn)
    upper, lower = [0.5] * 3 + [1.0] * 3, [1.0] * 3 + [0.5] * 3
    assert changed[0, 0].tolist() == [upper, upper, lower, lower]


def test_cells_hide_apart_with_their_probability():
    drawn = HideAndSeek(grid=4, p_hide=0.3).draw(20_000, (28, 28), generator(0, "test"))
    hidden = drawn["hidden"].float().flatten(1)
    torch.testing.assert_close(hidden.mean(0), torch.full((16,), 0.3), rtol=0, atol=0.02)
    together = torch.corrcoef(hidden.T) - torch.eye(16)
    assert together.abs().max() < 0.04


def test_hidden_by_the_mean_the_mean_stays():
    assert HideAndSeek().value == pytest.approx(33.318 / 255, abs=1e-4)  # MNIST's mean grey level
