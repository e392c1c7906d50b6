"""Grey levels and background."""

import pytest
import torch

from lenet.presentation import Presentation


def test_the_papers_levels_are_minus_0_1_and_1_175_and_so_is_the_padding() -> None:
    ink = torch.tensor([0.0, 1.0, 0.5, 0.0]).view(1, 1, 2, 2)
    shown = Presentation("paper", 4)(ink)
    assert shown.shape == (1, 1, 4, 4)
    torch.testing.assert_close(shown[0, 0, 1], torch.tensor([-0.1, -0.1, 1.175, -0.1]))
    torch.testing.assert_close(shown[0, 0, 2], torch.tensor([-0.1, 0.5375, -0.1, -0.1]))
    torch.testing.assert_close(shown[0, 0, 0], torch.full((4,), -0.1))


def test_a_28_pixel_picture_lies_two_pixels_inside_a_32_pixel_field() -> None:
    ink = torch.ones(1, 1, 28, 28)
    shown = Presentation("unit", 32)(ink)
    assert shown.sum() == 28 * 28
    assert shown[0, 0, 2:30, 2:30].sum() == 28 * 28


def test_standard_levels_give_mean_0_and_deviation_1_to_mnists_pixels() -> None:
    ink = torch.tensor([0.1307, 0.1307 + 0.3081]).view(2, 1, 1, 1)
    shown = Presentation("standard", 1)(ink).flatten()
    torch.testing.assert_close(shown, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("levels", ["paper", "unit", "standard"])
def test_presenting_twice_gives_the_same(levels: str) -> None:
    ink = torch.rand(3, 1, 28, 28)
    present = Presentation(levels, 32)
    assert torch.equal(present(ink), present(ink))


def test_a_shuffle_moves_all_pictures_pixels_alike_and_loses_none() -> None:
    ink = torch.arange(18.0).view(2, 1, 3, 3)
    shown = Presentation("unit", 3, shuffle=1)(ink)
    assert not torch.equal(shown, ink)
    assert shown[0].flatten().sort().values.tolist() == list(range(9))
    torch.testing.assert_close(shown[1], shown[0] + 9)
    assert torch.equal(shown, Presentation("unit", 3, shuffle=1)(ink))
    assert not torch.equal(shown, Presentation("unit", 3, shuffle=2)(ink))
