"""Lines are found on a page, and strings in what a network says of each column."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lenet.reading.lines import (
    align_string,
    find_lines,
    measure_string,
    search_string,
    take_strip,
)

BLANK = 2


def columns(*rows: tuple[float, float, float]) -> Tensor:
    """Probabilities of the labels 0 and 1 and of the blank, one row per column."""
    return torch.tensor(rows, dtype=torch.float64)


def test_the_likeliest_string_may_not_be_that_of_the_likeliest_path() -> None:
    # The likeliest path is two blanks, 0.36; "0" comes from 00, 0-, and -0: 0.16 + 2 · 0.24.
    shares = columns((0.4, 0.0, 0.6), (0.4, 0.0, 0.6))
    string, probability = search_string(shares)
    assert string == [0] and probability == pytest.approx(0.64)
    assert measure_string(shares, []) == pytest.approx(0.36)


def test_equal_neighbours_need_a_blank_between_them() -> None:
    assert search_string(columns((1, 0, 0), (1, 0, 0)))[0] == [0]
    assert search_string(columns((1, 0, 0), (0, 0, 1), (1, 0, 0)))[0] == [0, 0]


def test_long_lines_do_not_underflow() -> None:
    string, probability = search_string(columns(*[(0.4, 0.3, 0.3)] * 2000))
    assert string and math.isfinite(probability)


def test_a_string_is_laid_along_the_columns_where_it_is_likeliest() -> None:
    sure = columns((0, 0, 1), (1, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert align_string(sure, [0, 0, 1]) == [(1, 3), (4, 5), (5, 6)]
    assert align_string(columns((0, 1, 0)), [1]) == [(0, 1)]


def test_lines_are_found_with_their_slope_and_height() -> None:
    page = np.zeros((200, 300), dtype=np.float32)
    for k in range(6):  # a line that falls by 2 rows per 40 columns
        page[30 + 2 * k : 50 + 2 * k, 20 + 40 * k : 30 + 40 * k] = 1
        page[130:150, 20 + 40 * k : 30 + 40 * k] = 1
    first, second = find_lines(page)
    assert first.slope == pytest.approx(2 / 40) and second.slope == pytest.approx(0)
    assert (first.left, first.right) == pytest.approx((20, 230), abs=2)
    assert second.middle == pytest.approx(140, abs=1) and second.body == pytest.approx(20, abs=2)


def test_a_strip_is_one_line_as_high_as_its_ink() -> None:
    strip = np.zeros((40, 100), dtype=np.float32)
    strip[10:30, 20:80] = 1
    line = take_strip(strip)
    assert (line.left, line.right, line.slope) == (0, 100, 0)
    assert line.middle == pytest.approx(20, abs=1) and line.body == pytest.approx(20, abs=2)
