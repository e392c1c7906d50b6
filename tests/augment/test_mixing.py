"""Mixing gives each image a partner and a share of its own, and labels follow."""

import pytest
import torch

from lenet.augment.catalogue import MIXINGS
from lenet.augment.draws import beta
from lenet.augment.mixing import CutMix, MixUp, Mosaic, shares
from lenet.rng import generator


def test_labels_become_shares():
    expected = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    assert torch.equal(shares(torch.tensor([2, 0]), 3), expected)
    assert torch.equal(shares(expected, 3), expected)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 8.0])
def test_beta_has_its_mean_and_variance(alpha):
    drawn = beta(50_000, alpha, generator(0, "beta"))
    assert drawn.isfinite().all()
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.02)


def test_mixup_mixes_images_and_labels_by_the_same_share():
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    drawn = {"partner": torch.tensor([1, 0]), "share": torch.tensor([0.75, 1.0])}
    mixed, targets = MixUp().mix(images, shares(torch.tensor([0, 1]), 10), drawn)
    torch.testing.assert_close(mixed[:, 0, 0, 0], torch.tensor([0.25, 1.0]))
    torch.testing.assert_close(targets[:, :2], torch.tensor([[0.75, 0.25], [0.0, 1.0]]))


def test_cutmix_pastes_a_box_and_counts_its_area():
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    drawn = {
        "partner": torch.tensor([1, 0]),
        "top": torch.tensor([1.0, 0.0]),
        "left": torch.tensor([0.0, 0.0]),
        "bottom": torch.tensor([3.0, 0.0]),
        "right": torch.tensor([2.0, 4.0]),
    }
    mixed, targets = CutMix().mix(images, shares(torch.tensor([3, 7]), 10), drawn)
    assert mixed[0, 0].tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert mixed[1].eq(1).all()
    assert targets[0, 3] == 0.75
    assert targets[0, 7] == 0.25
    assert targets[1, 7] == 1


def test_mosaic_shows_four_images_through_one_window():
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 4, 4)
    drawn = {
        "partners": torch.tensor([[1, 2, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        "top": torch.tensor([1, 0, 4, 0]),
        "left": torch.tensor([2, 0, 0, 4]),
    }
    mixed, targets = Mosaic().mix(images, shares(torch.arange(4), 10), drawn)
    assert mixed[0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]
    assert targets[0, :4].tolist() == [3 / 8, 3 / 8, 1 / 8, 1 / 8]
    assert mixed[1].eq(1).all() and targets[1, 1] == 1  # its window begins at its own corner
    assert mixed[2].eq(0).all() and targets[2, 0] == 1  # a window further down: what lies below
    assert mixed[3].eq(0).all() and targets[3, 0] == 1  # to the right: what lies there


def test_mosaics_pixels_keep_their_places_in_their_images():
    images = torch.stack([torch.arange(9.0).view(1, 3, 3), -torch.arange(9.0).view(1, 3, 3)])
    drawn = {"partners": torch.tensor([[1, 1, 1]] * 2), "top": torch.tensor([0, 0]),
             "left": torch.tensor([1, 1])}  # fmt: skip
    mixed, _ = Mosaic().mix(images, shares(torch.tensor([0, 1]), 10), drawn)
    assert mixed[0, 0].tolist() == [[1, 2, 0], [4, 5, -3], [7, 8, -6]]


def test_mosaics_windows_begin_in_their_interval():
    drawn = Mosaic((0.25, 0.75)).draw(5000, (28, 20), generator(0, "test"))
    assert drawn["top"].unique().tolist() == list(range(7, 22))
    assert drawn["left"].unique().tolist() == list(range(5, 16))


def test_cutmix_boxes_are_torchvisions_at_an_equal_share():
    drawn = CutMix(1.0).draw(20_000, (28, 28), generator(0, "test"))
    height, width = drawn["bottom"] - drawn["top"], drawn["right"] - drawn["left"]
    area = height * width / 28**2
    assert area.min() >= 0
    assert area.max() <= 1
    assert drawn["top"].min() == 0
    assert drawn["bottom"].max() == 28
    assert area.mean() == pytest.approx(_torchvisions_mean_area(), abs=0.01)


def _torchvisions_mean_area() -> float:
    """The visible area of torchvision's boxes, after its source: λ, centre, half sides, clip."""
    draw = generator(0, "reference")
    share = torch.rand(20_000, generator=draw)  # Beta(1, 1)
    centre = torch.randint(28, (2, 20_000), generator=draw)
    half = (0.5 * torch.sqrt(1 - share) * 28).int()
    sides = (centre + half).clamp(max=28) - (centre - half).clamp(min=0)
    return float((sides[0] * sides[1]).float().mean() / 28**2)


@pytest.mark.parametrize("mixing", [MixUp(0.4), CutMix(1.0)])
def test_mixed_labels_sum_to_one_and_some_stay_whole(mixing):
    mixing.p = 0.5
    images = torch.rand(256, 1, 28, 28)
    drawn = mixing.draw(256, (28, 28), generator(0, "test"))
    mixed, targets = mixing.mix(images, shares(torch.arange(256) % 10, 10), drawn)
    torch.testing.assert_close(targets.sum(1), torch.ones(256))
    unmixed = (mixed == images).flatten(1).all(1)
    assert 96 < unmixed.sum() < 180


def test_mixing_works_as_a_torchvision_transform():
    images, targets = MixUp(num_classes=10)(torch.rand(8, 1, 28, 28), torch.arange(8))
    assert images.shape == (8, 1, 28, 28)
    assert targets.shape == (8, 10)


@pytest.mark.parametrize("name", MIXINGS)
def test_torchvisions_protocol_mixes_bytes(name):
    images = torch.randint(256, (8, 1, 28, 28), dtype=torch.uint8)
    mixed, targets = MIXINGS[name](num_classes=10)(images, torch.arange(8, dtype=torch.int32))
    assert mixed.dtype == torch.uint8
    assert not torch.equal(mixed, images)
    torch.testing.assert_close(targets.sum(1), torch.ones(8))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"image": 3}, TypeError, r"MixUp mixes images \(B, C, H, W\) and their labels"),
        ((torch.rand(4, 1, 8, 8), 3), TypeError, "and their labels"),
        ((torch.rand(4, 1, 8, 8), torch.arange(3)), TypeError, r"4 images .* not with \(3,\)"),
        (
            (torch.rand(2, 1, 8, 8), torch.tensor([3, 10])),
            ValueError,
            r"labels must be in \[0, 9\]",
        ),
    ],
)
def test_torchvisions_protocol_refuses_what_cannot_be_mixed(given, error, message):
    with pytest.raises(error, match=message):
        MixUp(num_classes=10)(given)


def test_labels_need_a_number_of_classes_and_shares_do_not() -> None:
    images = torch.rand(3, 1, 4, 4)
    with pytest.raises(TypeError, match="MixUp needs num_classes"):
        MixUp()(images, torch.arange(3))
    with pytest.raises(TypeError, match="shares of 10 classes, not of 5"):
        MixUp(num_classes=10)(images, torch.full((3, 5), 0.2))
    assert MixUp()(images, torch.full((3, 5), 0.2))[1].shape == (3, 5)
