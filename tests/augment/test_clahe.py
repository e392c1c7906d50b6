"""CLAHE follows OpenCV's, which is asked where it is installed."""

import pytest
import torch

from lenet.augment.clahe import CLAHE, equalize_tiles
from lenet.errors import UsageError
from lenet.rng import generator


def test_a_tile_of_four_pixels_worked_out_by_hand():
    # Area 4, so the limit is max(int(4·4/256), 1) = 1: each level counts at most once. Level 0
    # occurs twice, so one count is clipped off and goes to level 0, the first at distance 256.
    # Counts up to 0: 1 + 1, up to 100: 3, up to 200: 4; times 255/4, rounded.
    levels = torch.tensor([[[0, 0], [100, 200]]])
    equalized = equalize_tiles(levels, torch.tensor([4.0]), (1, 1))
    assert equalized[0].tolist() == [[128, 128], [191, 255]]


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (19, 40), (5, 5), (64, 48)])
@pytest.mark.parametrize("grid", [(8, 8), (4, 4), (2, 3), (1, 1), (7, 7), (16, 16)])
@pytest.mark.parametrize("limit", [1.0, 1.7, 4.0, 40.0])
def test_clahe_equals_opencvs_to_the_last_level(size, grid, limit):
    cv2 = pytest.importorskip("cv2")
    draw = generator(0, "pictures")
    images = torch.rand(4, *size, generator=draw) * (torch.rand(4, *size, generator=draw) < 0.5)
    levels = (images * 255).round().long()
    ours = equalize_tiles(levels, torch.full((4,), limit), grid)
    theirs = cv2.createCLAHE(limit, grid[::-1])
    for level, mine in zip(levels, ours, strict=True):
        expected = torch.from_numpy(theirs.apply(level.to(torch.uint8).numpy())).float()
        assert torch.equal(mine, expected)


def test_chunks_do_not_show():
    images = torch.rand(50, 1, 28, 28)
    transform = CLAHE(p=1)
    drawn = transform.draw(50, (28, 28), generator(0, "test"))
    alone = {name: value[40:41] for name, value in drawn.items()}
    together = transform.apply_to(images, drawn)[40:41]
    assert torch.equal(together, transform.apply_to(images[40:41], alone))


def test_limits_reach_both_ends():
    drawn = CLAHE(6).draw(5000, (28, 28), generator(0, "test"))
    assert 1 <= drawn["clip_limit"].min() < 1.01
    assert 5.99 < drawn["clip_limit"].max() <= 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_limit": 0.5}, r"clip_limit must be a number in \[1, 1000\], not 0.5"),
        ({"tile_grid_size": 8}, r"tile_grid_size must be two whole numbers in \[1, 64\], not 8"),
        ({"tile_grid_size": (0, 8)}, r"tile_grid_size must be a whole number in \[1, 64\], not 0"),
    ],
)
def test_illegal_arguments_of_clahe_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        CLAHE(**arguments)
