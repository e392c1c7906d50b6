"""The picture of a config's augmentations."""

from pathlib import Path

import pytest
import torch

from lenet.augment.catalogue import build_pipeline
from lenet.config.load import load_config
from lenet.data.datasets import Split
from lenet.errors import UsageError
from lenet.figures import style
from lenet.figures.augmentation import (
    draw_augmentation,
    draw_rows,
    first_of_each_class,
    pixel_maps,
    save_augmentation,
    spread_px,
)

AUGMENT = "augment=[{RandomAffine: {translate: [0.2, 0.2]}}]"


@pytest.fixture
def split() -> Split:
    """Twenty dots in the middle, two of each class."""
    images = torch.zeros(20, 1, 28, 28, dtype=torch.uint8)
    images[:, :, 13:15, 13:15] = 255
    return Split(images, torch.arange(20) // 2)


def test_the_first_of_each_class_is_found():
    labels = torch.tensor([1, 1, 0, 2, 9, 3, 4, 5, 6, 7, 8])
    split = Split(torch.zeros(11, 1, 2, 2, dtype=torch.uint8), labels)
    assert first_of_each_class(split).tolist() == [2, 0, 3, 5, 6, 7, 8, 9, 10, 4]


def test_rows_begin_with_the_image_itself_and_draws_differ(split: Split):
    rows = draw_rows(split, build_pipeline([{"RandomRotation": {"degrees": 90}}]), 5, seed=0)
    assert rows.shape == (20, 6, 1, 28, 28)
    assert torch.equal(rows[:, 0], split.images / 255)
    assert not torch.equal(rows[:, 1], rows[:, 2])


def test_pictures_of_other_sizes_lie_in_the_middle(split: Split):
    rows = draw_rows(split, build_pipeline([{"CenterCrop": {"size": 2}}]), 1, seed=0)
    assert rows.shape == (20, 2, 1, 28, 28)
    assert torch.equal(rows[:, 0], rows[:, 1])  # of the dots in the middle nothing is cut off
    padded = draw_rows(split, build_pipeline([{"Pad": {"padding": 2}}]), 1, seed=0)
    assert padded.shape == (20, 2, 1, 32, 32)
    assert torch.equal(padded[:, 0], padded[:, 1])


def test_shifts_widen_where_ink_falls(split: Split):
    before, after = pixel_maps(
        split, build_pipeline(load_config("modern/plain", [AUGMENT]).config.augment), 0
    )
    assert spread_px(before) == pytest.approx((0.5, 0.5))  # two pixels, half a pixel off each
    assert all(spread > 2 for spread in spread_px(after))


@pytest.mark.parametrize("change", [AUGMENT, "mix=[MixUp: {}]"])
def test_a_picture_is_drawn_of_augmentation_or_mixing(split: Split, tmp_path: Path, change: str):
    config = load_config("modern/plain", [change]).config
    path, events = tmp_path / "a.png", tmp_path / "events"
    with style.applied():
        save_augmentation(config, split, "x", path, events)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(events.glob("events.out.tfevents.*"))) == 1


def test_a_config_without_augmentation_is_refused(split: Split):
    with pytest.raises(UsageError, match="x has no augmentation"):
        draw_augmentation(load_config("modern/plain").config, split, "x")


def test_pictures_in_colour_stay_so_and_have_no_strokes() -> None:
    images = torch.zeros(6, 3, 8, 8, dtype=torch.uint8)
    images[:, 0] = 255
    split = Split(images, torch.arange(6) // 2, ("a", "b", "c"), pictures=True)
    config = load_config("modern/plain", [AUGMENT]).config
    with style.applied():
        figure = draw_augmentation(config, split, "x", draws=2)
    (axes,) = [axes for axes in figure.get_axes() if axes.images]
    assert axes.get_title(loc="left") == "original | 2 draws of each of 3 classes"
    assert axes.images[0].get_array()[0, 0].tolist() == [1.0, 0.0, 0.0]
