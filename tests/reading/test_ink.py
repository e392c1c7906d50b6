"""What is ink on a photographed page, and what is light, line or table."""

import io

import numpy as np
import pytest
from drawings import render_drawing

from lenet.data.pictures import decode_scaled
from lenet.reading.ink import find_ink

ROWS, COLUMNS = slice(120, 240), slice(190, 206)  # an upright stroke on a page of 360 × 400 pixels


def stroke(paper: int = 240, ink: int = 40) -> np.ndarray:
    """A page with one upright stroke."""
    page = np.full((360, 400, 1), paper, dtype=np.uint8)
    page[ROWS, COLUMNS] = ink
    return page


def assert_stroke(ink: np.ndarray, top: int = 0, left: int = 0) -> None:
    """Check that the stroke is full ink and nothing else is, the page's corner being there."""
    y, x = np.nonzero(ink > 0.5)
    assert (y.min() - top, y.max() + 1 - top) == (ROWS.start, ROWS.stop)
    assert (x.min() - left, x.max() + 1 - left) == (COLUMNS.start, COLUMNS.stop)


def test_ink_lies_between_none_and_full() -> None:
    for seed in range(5):
        ink = find_ink(decode_scaled(io.BytesIO(render_drawing(seed).data), 640)[0])
        assert ink.min() >= 0 and ink.max() == 1


@pytest.mark.parametrize("table", [20, 170], ids=["dark", "light"])
@pytest.mark.parametrize("side", [420, 640, 1000])
def test_a_page_is_found_on_a_table_of_any_size(side: int, table: int) -> None:
    picture = np.full((side, side, 1), table, dtype=np.uint8)
    top, left = (side - 360) // 2, (side - 400) // 2
    picture[top : top + 360, left : left + 400] = stroke()
    assert_stroke(find_ink(picture), top, left)


def test_a_bold_bar_is_no_page() -> None:
    picture = np.full((200, 120, 1), 250, dtype=np.uint8)
    picture[20:180, 40:80] = 30
    assert (find_ink(picture) > 0.5).sum() == 160 * 40


@pytest.mark.parametrize("edge", [150, 260])
@pytest.mark.parametrize("turned", [False, True])
def test_the_edge_of_a_shadow_leaves_ink_ink(edge: int, turned: bool) -> None:
    picture = stroke().transpose(1, 0, 2) if turned else stroke()
    picture = picture.astype(float)
    picture[:, edge:] *= 0.5
    ink = find_ink(picture.astype(np.uint8))
    ink = ink.T if turned else ink
    assert ink[ROWS, COLUMNS].mean() > 0.6
    assert (ink > 0.5).mean() < 0.1


def test_a_foot_that_stands_on_a_ruled_line_stays() -> None:
    picture = stroke()
    picture[::60] = picture[1::60] = 170  # two pixels in sixty, pale
    picture[236:240, 190:280] = 40
    picture[240:242, 190:280] = 40  # where the line was
    ink = find_ink(picture)
    assert ink[236:242, 210:275].mean() > 0.9
    assert ink[300:302].max() < 0.1  # the line below is gone


def test_ink_in_the_middle_of_a_vignette_is_the_darker_tone() -> None:
    y, x = np.mgrid[-1:1:360j, -1:1:400j]
    light = 1 - 0.4 * (x**2 + y**2) / 2
    picture = (stroke(ink=130) * light[..., None]).astype(np.uint8)
    ink = find_ink(picture)
    assert ink[ROWS, COLUMNS].mean() > 0.9
    assert (ink > 0.5).mean() < 0.03
