"""Grey levels and background."""

import pytest
import torch

from lenet.data.preprocessing import Preprocessing, normalize_shape


def test_the_papers_levels_are_minus_0_1_and_1_175_and_so_is_the_padding() -> None:
    images = torch.tensor([0.0, 1.0, 0.5, 0.0]).view(1, 1, 2, 2)
    shown = Preprocessing("paper", 4)(images)
    assert shown.shape == (1, 1, 4, 4)
    torch.testing.assert_close(shown[0, 0, 1], torch.tensor([-0.1, -0.1, 1.175, -0.1]))
    torch.testing.assert_close(shown[0, 0, 2], torch.tensor([-0.1, 0.5375, -0.1, -0.1]))
    torch.testing.assert_close(shown[0, 0, 0], torch.full((4,), -0.1))


def test_a_28_pixel_picture_lies_two_pixels_inside_a_32_pixel_field() -> None:
    images = torch.ones(1, 1, 28, 28)
    shown = Preprocessing("unit", 32)(images)
    assert shown.sum() == 28 * 28
    assert shown[0, 0, 2:30, 2:30].sum() == 28 * 28


def test_standard_levels_give_mean_0_and_deviation_1_to_mnists_pixels() -> None:
    images = torch.tensor([0.1307, 0.1307 + 0.3081]).view(2, 1, 1, 1)
    shown = Preprocessing("standard", 1)(images).flatten()
    torch.testing.assert_close(shown, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("levels", ["paper", "unit", "standard"])
def test_presenting_twice_gives_the_same(levels: str) -> None:
    images = torch.rand(3, 1, 28, 28)
    preprocess = Preprocessing(levels, 32)
    assert torch.equal(preprocess(images), preprocess(images))


def test_a_shuffle_moves_all_pictures_pixels_alike_and_loses_none() -> None:
    images = torch.arange(18.0).view(2, 1, 3, 3)
    shown = Preprocessing("unit", 3, shuffle=1)(images)
    assert not torch.equal(shown, images)
    assert shown[0].flatten().sort().values.tolist() == list(range(9))
    torch.testing.assert_close(shown[1], shown[0] + 9)
    assert torch.equal(shown, Preprocessing("unit", 3, shuffle=1)(images))
    assert not torch.equal(shown, Preprocessing("unit", 3, shuffle=2)(images))


def picture(rows: list[str]) -> torch.Tensor:
    return torch.tensor([[float(c == "#") for c in row] for row in rows])[None, None]


def test_a_slanted_stroke_is_sheared_until_it_is_upright() -> None:
    slanted = picture(["......#", ".....#.", "....#..", "...#...", "..#....", ".#.....", "#......"])
    shown = Preprocessing("unit", 7, upright=True)(slanted)
    assert torch.allclose(shown, picture(["...#..."] * 7), atol=1e-5)


def test_ink_that_leans_by_half_a_pixel_a_row_moves_by_that_much_about_its_centre_of_mass() -> None:
    rows = [".#...", ".....", "..#..", ".....", "...#."]
    straight = normalize_shape(picture(rows), upright=True, width=None)
    assert torch.allclose(
        straight, picture(["..#..", ".....", "..#..", ".....", "..#.."]), atol=1e-5
    )


def test_an_upright_digit_is_left_alone() -> None:
    cross = picture(["..#..", "..#..", "#####", "..#..", "..#.."])
    assert torch.allclose(normalize_shape(cross, upright=True, width=None), cross, atol=1e-5)


@pytest.mark.parametrize(("box", "width"), [(4, 6), (6, 4), (8, 8)])
def test_the_box_around_the_ink_gets_the_width_and_the_middle(box: int, width: int) -> None:
    images = torch.zeros(1, 1, 12, 12)
    images[..., 3:9, 1 : 1 + box] = 1  # in the left part
    shown = normalize_shape(images, upright=False, width=width)
    covered = (shown[0, 0, 5] > 0.5).nonzero().flatten()
    assert (int(covered.min()), int(covered.max())) == (6 - width // 2, 5 + width // 2)
    assert (shown[0, 0, 5] > 0.5).sum() == width
    assert shown[0, 0, :3].sum() == 0  # rows stay where they are
    assert shown[0, 0, 9:].sum() == 0


def test_nothing_is_stretched_to_more_than_twice_its_width() -> None:
    one = torch.zeros(1, 1, 20, 20)
    one[..., 9:11] = 1
    assert (normalize_shape(one, upright=False, width=20) > 0.5).sum() == 4 * 20


def test_a_slanted_stroke_counts_with_the_width_that_it_has_upright() -> None:
    slanted = picture(["......#", ".....#.", "....#..", "...#...", "..#....", ".#.....", "#......"])
    shown = normalize_shape(slanted, upright=True, width=1)
    assert torch.allclose(shown, picture(["...#..."] * 7), atol=1e-5)


@pytest.mark.parametrize(("upright", "width"), [(True, None), (False, 12), (True, 20)])
def test_a_picture_without_ink_stays_as_it_is_and_none_depends_on_its_neighbours(
    upright: bool, width: int | None
) -> None:
    blank, noise = torch.zeros(1, 1, 28, 28), torch.rand(3, 1, 28, 28)
    together = normalize_shape(torch.cat([blank, noise]), upright, width)
    assert together[0].abs().sum() == 0
    for one, shown in zip(noise, together[1:], strict=True):
        assert torch.allclose(normalize_shape(one[None], upright, width)[0], shown, atol=1e-5)


def test_what_has_one_slant_and_width_already_is_not_changed_by_a_second_time() -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[..., 6:22, 9:14] = 1
    once = normalize_shape(images, upright=True, width=10)
    assert torch.allclose(normalize_shape(once, upright=True, width=10), once, atol=1e-4)
