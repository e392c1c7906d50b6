"""Strings are found in what a network says of each column."""

import math

import pytest
import torch
from torch import Tensor

from lenet.reading.ctc import align_string, measure_string, search_string


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
    string, probability = search_string(columns(*[(0.4, 0.3, 0.3)] * 500))
    assert string and math.isfinite(probability)


def test_a_string_is_laid_along_the_columns_where_it_is_likeliest() -> None:
    sure = columns((0, 0, 1), (1, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert align_string(sure, [0, 0, 1]) == [(1, 3), (4, 5), (5, 6)]
    assert align_string(columns((0, 1, 0)), [1]) == [(0, 1)]
