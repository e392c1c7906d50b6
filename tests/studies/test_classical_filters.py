"""Filters on examples worked out by hand, and against torch."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from lenet.data.pictures import PictureError
from lenet.errors import UsageError
from lenet.studies.classical_filters import (
    BANK,
    BORDERS,
    cross_correlate,
    gabor,
    gaussian,
    open_picture,
    pad_picture,
)

STRIPES = torch.tensor([10.0, 10, 0, 0, 0, 10]).expand(6, 6)  # 10 | 0 | 10


def test_an_edge_filter_on_stripes_gives_30_30_0_minus_30() -> None:
    answer = cross_correlate(STRIPES, BANK["vertical edge"].values)
    assert answer.tolist() == [[30, 30, 0, -30]] * 4


def test_a_horizontal_edge_filter_is_blind_to_upright_stripes_and_sees_lying_ones() -> None:
    assert not cross_correlate(STRIPES, BANK["horizontal edge"].values).any()
    answer = cross_correlate(STRIPES.T, BANK["horizontal edge"].values)
    assert answer[:, 0].tolist() == [30, 30, 0, -30]


def test_the_filter_is_not_turned_around() -> None:
    point = torch.zeros(3, 3)
    point[0, 0] = 1.0
    values = torch.arange(9.0).view(3, 3)
    assert cross_correlate(point, values, padding=1)[0, 0] == 4.0
    assert cross_correlate(point, values, padding=1)[1, 1] == 0.0


@pytest.mark.parametrize(
    ("border", "row"),
    [
        ("zero", [0, 0, 1, 2, 3, 0, 0]),
        ("constant", [7, 7, 1, 2, 3, 7, 7]),
        ("reflection", [3, 2, 1, 2, 3, 2, 1]),
        ("replication", [1, 1, 1, 2, 3, 3, 3]),
    ],
)
def test_borders_side_by_side(border: str, row: list[float]) -> None:
    picture = torch.tensor([1.0, 2, 3]).expand(3, 3)
    assert set(BORDERS) == {"zero", "constant", "reflection", "replication"}
    padded = pad_picture(picture, (2, 2), border, 7.0)
    assert padded.shape == (7, 7)
    assert padded[3].tolist() == row


@given(
    height=st.integers(7, 12),
    width=st.integers(7, 12),
    name=st.sampled_from(sorted(BANK)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_it_is_torchs_convolution(
    height: int, width: int, name: str, stride: int, padding: int
) -> None:
    picture = torch.rand(height, width)
    values = BANK[name].values
    theirs = F.conv2d(picture[None, None], values[None, None], stride=stride, padding=padding)[0, 0]
    ours = cross_correlate(picture, values, stride=stride, padding=padding)
    torch.testing.assert_close(ours, theirs)


def test_means_add_up_to_1_and_all_others_to_0() -> None:
    means = {name for name, filter_ in BANK.items() if filter_.values.sum() > 0.5}
    assert means == {"box", "bilinear", "Gaussian"}
    for name, filter_ in BANK.items():
        total = 1.0 if name in means else 0.0
        assert filter_.values.sum().item() == pytest.approx(total, abs=1e-5), name
        assert filter_.values.shape[0] == filter_.values.shape[1]


def test_each_filter_likes_its_own_pattern_best() -> None:
    spot = torch.zeros(7, 7)
    spot[3, 3] = 1.0
    assert cross_correlate(spot, BANK["blob"].values).flatten().argmax() == 12  # the middle of 5×5
    stripes = (torch.arange(15) % 5 < 2).float().expand(15, 15)
    upright = cross_correlate(stripes, gabor(7, 0, 5, 1.8)).max()
    lying = cross_correlate(stripes, gabor(7, 90, 5, 1.8)).max()
    assert upright > 10 * lying.abs()


def test_a_gaussian_is_round_and_falls_with_distance() -> None:
    bell = gaussian(5, 1.0)
    torch.testing.assert_close(bell, bell.T)
    torch.testing.assert_close(bell[2, 0] / bell[2, 2], torch.tensor(-2.0).exp())


def test_a_filter_larger_than_the_picture_is_explained() -> None:
    with pytest.raises(UsageError, match="a filter of 5 does not fit into 4"):
        cross_correlate(torch.zeros(4, 4), gaussian(5, 1.0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_pictures_of_any_mode_and_size_are_brightness(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"picture.{'tif' if mode == 'CMYK' else 'png'}"
    Image.new(mode, (900, 300)).save(path)
    picture, name = open_picture(path, 0, None)
    assert picture.shape == (85, 256)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert name == path.name


def test_unusable_pictures_are_named(tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.png"
    Image.new("L", (3, 5)).save(tiny)
    with pytest.raises(UsageError, match="3×5 pixels are less than the largest filter's 7"):
        open_picture(tiny, 0, None)
    with pytest.raises(PictureError, match=r"none.png: no such file"):
        open_picture(tmp_path / "none.png", 0, None)


def test_a_digit_is_taken_where_no_picture_is_given(elsewhere: Path) -> None:
    picture, name = open_picture(None, 5, None)
    assert picture.shape == (28, 28)
    assert name.startswith("training image 5, a ")
    with pytest.raises(UsageError, match="--digit 99999: there are 4,000 training images"):
        open_picture(None, 99999, None)
