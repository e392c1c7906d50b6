"""A photographed digit arrives as MNIST would have it."""

import time

import numpy as np
import pytest

from lenet.data.datasets import Dataset
from lenet.data.pictures import PictureError
from lenet.reading.digitize import digitize, fit_ink, group_marks, is_in_column
from lenet.reading.ink import find_ink


def bar(tone: int = 0, paper: int = 255, height: int = 120, width: int = 100) -> np.ndarray:
    """An upright bar of 18 × 60 pixels in the middle."""
    picture = np.full((height, width, 1), paper, dtype=np.uint8)
    picture[30:90, 41:59] = tone
    return picture


def test_a_bar_becomes_20_pixels_high_and_centred() -> None:
    ink = digitize(bar()).ink
    assert ink.shape == (28, 28)
    assert ink.dtype == np.float32
    np.testing.assert_array_equal(np.flatnonzero(ink.any(axis=1)), np.arange(4, 24))
    np.testing.assert_array_equal(np.flatnonzero(ink.any(axis=0)), np.arange(11, 17))
    assert ink.max() == 1


def test_light_ink_on_dark_paper_is_the_same_as_dark_on_light() -> None:
    np.testing.assert_allclose(digitize(bar(0, 255)).ink, digitize(bar(255, 0)).ink, atol=1e-6)


def test_colours_of_equal_lightness_are_told_apart() -> None:
    picture = np.empty((120, 100, 3), dtype=np.uint8)
    picture[:] = (0, 131, 0)
    picture[30:90, 41:59] = (255, 0, 0)  # the same luminance
    np.testing.assert_allclose(digitize(picture).ink, digitize(bar()).ink, atol=1e-6)


def test_a_slope_of_light_leaves_the_ink_alone() -> None:
    light = np.linspace(0.3, 1, 100)[None, :, None]
    picture = np.rint(bar(40, 240) * light).astype(np.uint8)
    np.testing.assert_allclose(digitize(picture).ink, digitize(bar()).ink, atol=0.2)


def test_a_page_on_a_table_is_read_and_the_table_is_not() -> None:
    picture = np.full((160, 140, 1), 60, dtype=np.uint8)
    picture[20:140, 20:120] = bar()
    np.testing.assert_allclose(digitize(picture).ink, digitize(bar()).ink, atol=1e-6)


def test_ruled_lines_are_erased() -> None:
    picture = bar(height=240, width=200)
    ruled = picture.copy()
    ruled[10::30] = 150
    ruled[30:90, 41:59] = 0
    assert np.abs(digitize(ruled).ink - digitize(picture).ink).mean() < 0.03


def test_a_thin_stroke_is_thickened_to_a_pencil_s() -> None:
    picture = np.full((200, 200, 1), 255, dtype=np.uint8)
    picture[20:180, 99:102] = 0  # 3 of 160 pixels: 0.4 of 20
    ink = digitize(picture).ink
    assert 1.0 <= ink.sum() / 20 <= 3.0  # its width in pixels


def test_separate_strokes_of_one_digit_stay_together_and_specks_are_left_out() -> None:
    picture = np.full((120, 120, 1), 255, dtype=np.uint8)
    picture[30:35, 50:80] = 0
    picture[40:90, 50:58] = 0
    picture[110:112, 5:7] = 0
    box = digitize(picture).box
    assert (box[0].start, box[0].stop, box[1].start, box[1].stop) == (30, 90, 50, 80)


def test_all_ink_of_a_small_picture_is_its_digit_s() -> None:
    picture = np.full((32, 32, 1), 255, dtype=np.uint8)
    picture[0:3, 4:28] = 0  # a bar along the upper rim
    picture[20:32, 14:18] = 0  # and a stem far below it, which reaches the lower rim
    picture[14, 15] = 0  # a broken stroke's dot
    digit = digitize(picture)
    rows, columns = digit.box
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 32, 4, 28)
    assert digit.others == 0


@pytest.mark.parametrize("turned", [False, True], ids=["dark", "light"])
@pytest.mark.parametrize("side", [16, 64])
def test_a_bold_digit_that_fills_its_small_picture_is_the_ink(side: int, turned: bool) -> None:
    eight = np.ones((16, 16), dtype=np.uint8)  # more than half of the rim and of the picture
    eight[3:7, 5:11] = eight[9:13, 5:11] = 0
    eight[7:9, :2] = eight[7:9, -2:] = 0
    for corner in (eight, eight[::-1], eight[:, ::-1], eight[::-1, ::-1]):
        corner[:3, :3] = 0
    eight = eight.repeat(side // 16, axis=0).repeat(side // 16, axis=1)
    picture = np.where((eight == 1) ^ turned, 20, 230).astype(np.uint8)[..., None]
    np.testing.assert_array_equal(find_ink(picture) > 0.5, eight == 1)


def test_fragments_are_joined_by_the_height_of_all_ink() -> None:
    picture = np.full((200, 160, 1), 255, dtype=np.uint8)
    picture[40:50, 50:110] = 0  # the bar of a 7, 10 pixels high
    picture[58:160, 80:90] = 0  # its stem begins 8 pixels below
    box = digitize(picture).box
    assert (box[0].start, box[0].stop, box[1].start, box[1].stop) == (40, 160, 50, 110)


def test_a_stroke_goes_on_where_the_pen_was_light() -> None:
    picture = np.full((200, 160, 1), 255, dtype=np.uint8)
    picture[40:120, 70:85] = 0
    picture[120:160, 70:85] = 155  # two fifths of full ink
    assert (digitize(picture).box[0].start, digitize(picture).box[0].stop) == (40, 160)


def test_a_digit_that_fills_a_larger_picture_keeps_its_strokes_at_the_rim() -> None:
    picture = np.full((200, 150, 1), 255, dtype=np.uint8)
    picture[0:30, 30:120] = picture[170:200, 30:120] = picture[85:115, 30:120] = 0
    picture[0:115, 90:120] = picture[85:200, 30:60] = 0  # a 2 of thick strokes
    box = digitize(picture).box
    assert (box[0].start, box[0].stop, box[1].start, box[1].stop) == (0, 200, 30, 120)


def test_thickening_leaves_a_small_loop_open() -> None:
    ink = np.zeros((80, 40), dtype=np.float32)
    ink[:, 2:4] = 1  # a thin stem
    ink[70:80, 2:12] = 1
    ink[72:78, 4:10] = 0  # a loop of 6 × 6: 1.5 of the 20 pixels
    field = fit_ink(ink[:, 2:12])
    rows = np.flatnonzero(field.any(axis=1))
    loop = field[rows[-1] - 2 : rows[-1] + 1]
    assert loop.min(axis=0)[np.flatnonzero(field.any(axis=0))[1] :].min() < 0.8


def test_several_digits_are_counted() -> None:
    two = np.concatenate([bar(), bar()], axis=1)
    assert digitize(bar()).others == 0
    assert digitize(two).others == 1


def test_centre_of_mass_is_rounded_to_the_nearest_pixel() -> None:
    ink = np.zeros((20, 10), dtype=np.float32)
    ink[:, 0] = 1
    ink[0, :] = 1  # mass: 29, centred at column (19 · 0.5 + 50) / 29 = 2.05, so left = 12
    field = fit_ink(ink)
    assert np.flatnonzero(field.any(axis=0))[0] == 12


@pytest.mark.parametrize("tone", [0, 128, 255])
def test_an_even_picture_has_no_ink(tone: int) -> None:
    with pytest.raises(PictureError, match="no ink"):
        digitize(np.full((100, 100, 3), tone, dtype=np.uint8))


def test_noise_has_no_ink() -> None:
    noise = np.random.default_rng(0).integers(90, 160, (200, 200, 1), dtype=np.uint8)
    with pytest.raises(PictureError, match="no ink"):
        digitize(noise)


def test_a_single_pixel_is_too_small() -> None:
    with pytest.raises(PictureError, match="1 × 1 pixels are too few"):
        digitize(np.zeros((1, 1, 1), dtype=np.uint8))


def test_most_mnist_images_hardly_change(mnist: Dataset) -> None:
    images = mnist.test.images[:200, 0].numpy()
    changes = [np.abs(digitize(image[..., None]).ink - image / 255).mean() for image in images]
    assert np.median(changes) < 0.01


def test_thousands_of_marks_take_seconds_and_what_is_no_page_is_refused_by_its_number() -> None:
    dots = np.zeros((606, 612), dtype=np.float32)
    for row in range(4):
        dots[1 + row :: 6, 1::6] = dots[1 + row :: 6, 2::6] = 1  # 101 × 102, 4 × 2 pixels each
    began = time.process_time()
    groups = group_marks(dots[:240, :300], is_in_column)
    assert len(groups) == 40 * 50 and time.process_time() - began < 3
    with pytest.raises(PictureError, match=r"10,302 marks, more than the 10,000 allowed"):
        group_marks(dots, is_in_column)
