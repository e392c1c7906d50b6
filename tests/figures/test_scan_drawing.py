"""The drawing of a page: a box and a digit for each one found."""

import numpy as np
from matplotlib.patches import Rectangle

from lenet.figures.scans import draw_scan
from lenet.reading.scan import Found, Scan

PAGE = np.full((60, 100, 1), 255, dtype=np.uint8)
SEVEN = Found(7, 0.9, (slice(10, 30), slice(20, 32)))
TWO = Found(2, 0.8, (slice(35, 55), slice(60, 75)))


def test_each_digit_has_its_box_in_pixels_of_the_page() -> None:
    (axes,) = draw_scan(PAGE, Scan([[SEVEN], [TWO]])).axes
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [box.get_bbox().bounds for box in boxes] == [
        (19.5, 9.5, 12, 20),  # pixels lie about their numbers
        (59.5, 34.5, 15, 20),
    ]
    assert [text.get_text() for text in axes.texts] == ["7", "2"]
    assert axes.images[0].get_array().shape == (60, 100, 3)


def test_the_class_map_has_a_strip_per_digit_below_the_page() -> None:
    class_map = np.zeros((10, 4, 25), dtype=np.float32)
    class_map[7, :, 5] = 1.0
    _, strips = draw_scan(PAGE, Scan([[SEVEN]], class_map)).axes
    shown = strips.images[0].get_array()
    assert shown.shape == (40, 25)
    assert np.argwhere(shown == 1.0).tolist() == [[row, 5] for row in range(28, 32)]
    assert [label.get_text() for label in strips.get_yticklabels()] == list("0123456789")
    assert strips.get_yticks().tolist() == [4 * (k + 0.5) for k in range(10)]
    assert len(strips.lines) == 9  # between ten strips
