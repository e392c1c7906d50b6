"""Digits get the forms that their class has, and keep their height."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lenet.data.forms import FORMS, STROKE, draw_forms, draw_strokes


def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """The middle of every interval."""
    return torch.full(shape, (low + high) / 2)


def bars(n: int) -> Tensor:
    """Digits that are upright bars, rows 4 to 23 and columns 12 to 15."""
    images = torch.zeros(n, 28, 28)
    images[:, 4:24, 12:16] = 1
    return images


def test_a_stroke_covers_the_pixels_between_its_ends() -> None:
    one = torch.ones(1)
    ink = draw_strokes(2 * one, one, 3 * one, 0 * one, 0.5 * one, 3, 8)[0]
    assert ink[1].tolist() == pytest.approx([0, 0, 1, 1, 1, 1, 0, 0])
    assert ink[0].sum() == ink[2].sum() == 0


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[2].__name__)
def test_a_form_changes_a_digit_and_keeps_its_height(
    form: tuple[int, float, Callable[..., Tensor]],
) -> None:
    digit, share, change = form
    images = bars(3)
    images[:, 4:8, 8:16] = 1  # so that its mirror image differs
    drawn = change(images.clone(), draw)
    assert 0 <= digit <= 9 and 0 < share <= 1
    assert drawn.shape == images.shape and not torch.equal(drawn, images)
    rows = (drawn > STROKE).any(2)
    assert rows[:, 4].all() and rows[:, 22].all()
    assert not rows[:, :2].any() and not rows[:, 26:].any()


def test_a_seven_gets_a_bar_of_ten_columns_at_its_middle() -> None:
    # With every draw at 1/2: row 4 + floor(0.525 · 19) = 13; a bar is 8.5 columns long and rises by
    # 0.6 rows; a radius of 0.85 brings a column at either end, and about one row up and down.
    (cross,) = (change for _, _, change in FORMS if change.__name__ == "_cross")
    bar = (cross(bars(1), draw)[0] > 0.5).sum(1)
    assert bar[[10, 13, 16]].tolist() == [4, 10, 4]


def test_a_nine_like_p_is_its_mirror_image() -> None:
    (mirror,) = (change for digit, _, change in FORMS if digit == 9)
    images = torch.rand(2, 28, 28)
    assert torch.equal(mirror(images, draw), images.flip(2))


def test_digits_without_other_forms_stay_as_they_are() -> None:
    images = bars(3)[:, None]
    drawn = draw_forms(images, torch.tensor([3, 6, 8]), draw)
    assert torch.equal(drawn, images)
    drawn = draw_forms(images, torch.tensor([1, 6, 7]), draw)
    assert [torch.equal(a, b) for a, b in zip(drawn, images, strict=True)] == [False, True, False]
