"""Perspective equals torchvision's at equal corners."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.perspective import RandomPerspective
from lenet.rng import generator


@pytest.mark.parametrize("size", [(28, 28), (20, 33)])
def test_perspective_equals_torchvisions(size):
    height, width = size
    images = torch.rand(32, 1, *size, generator=generator(0, "pictures"))
    transform = RandomPerspective(0.6, p=1)
    drawn = transform.draw(32, size, generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    for i, image in enumerate(images):
        moved = drawn["corners"][i].int().tolist()
        theirs = F.perspective(image, corners, moved)
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-3)


def test_corners_move_inwards_as_far_as_allowed():
    drawn = RandomPerspective(0.5).draw(2000, (28, 28), generator(0, "test"))
    assert drawn["corners"][:, 0].unique().tolist() == list(range(8))  # int(0.5 · 14) = 7
    assert drawn["corners"][:, 2].unique().tolist() == list(range(20, 28))


def test_no_distortion_is_the_identity():
    images = torch.rand(4, 1, 28, 28)
    still = RandomPerspective(0, p=1)
    drawn = still.draw(4, (28, 28), generator(0, "test"))
    torch.testing.assert_close(still.apply_to(images, drawn), images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (4, 4)])
def test_fallen_together_corners_do_no_harm(size):
    images = torch.rand(500, 1, *size)
    transform = RandomPerspective(1, p=1)
    changed = transform.apply_to(images, transform.draw(500, size, generator(0, "test")))
    assert changed.isfinite().all()
    if size == (1, 1):
        torch.testing.assert_close(changed, images)
