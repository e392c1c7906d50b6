"""Distortions do what they say, and errors are counted on them."""

import pytest
import torch
from torch import Tensor

from lenet.config.load import load_config
from lenet.data.datasets import Dataset, Split
from lenet.evaluation.classifier import build_classifier
from lenet.evaluation.robustness import DISTORTIONS, as_dicts, make_tables, measure_robustness
from lenet.figures.robustness import draw_robustness
from lenet.rng import generator


def distort(name: str, amount: float, pictures: Tensor) -> Tensor:
    return DISTORTIONS[name].apply(pictures, amount, generator(0, "viewpoint"))


def square() -> Tensor:
    """Eight pictures of an 8×8 square in the middle."""
    pictures = torch.zeros(8, 1, 28, 28)
    pictures[:, :, 10:18, 10:18] = 1.0
    return pictures


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_first_amount_changes_nothing(name: str) -> None:
    distortion = DISTORTIONS[name]
    torch.testing.assert_close(
        distort(name, distortion.amounts[0], square()), square(), atol=1e-5, rtol=0
    )
    bar = torch.zeros(8, 1, 28, 28)
    bar[:, :, 8:20, 12:16] = 1.0
    changed = distort(name, distortion.amounts[-1], bar)
    assert changed.shape == (8, 1, 28, 28)
    assert not torch.allclose(changed, bar, atol=0.1)


def test_a_shift_keeps_the_brightness_and_moves_it_by_its_length() -> None:
    moved = distort("shift", 6, square())
    places = torch.arange(28.0) - 13.5
    mass = moved.sum((1, 2, 3))
    x = (moved.sum(2).squeeze(1) * places).sum(1) / mass
    y = (moved.sum(3).squeeze(1) * places).sum(1) / mass
    torch.testing.assert_close(mass, torch.full((8,), 64.0), atol=0.01, rtol=0)
    torch.testing.assert_close((x**2 + y**2).sqrt(), torch.full((8,), 6.0), atol=0.01, rtol=0)
    assert len(set(x.round(decimals=3).tolist())) > 1


def test_a_factor_of_two_makes_four_times_the_brightness() -> None:
    torch.testing.assert_close(
        distort("enlargement", 2, square()).sum((1, 2, 3)), torch.full((8,), 256.0), atol=1, rtol=0
    )


def test_a_quarter_turn_leaves_a_square() -> None:
    torch.testing.assert_close(distort("rotation", 90, square()), square(), atol=1e-4, rtol=0)


def test_salt_and_pepper_hit_their_share_of_pixels() -> None:
    hit = distort("noise", 10, torch.zeros(100, 1, 28, 28))
    assert hit.unique().tolist() == [0, 1]
    assert hit.mean().item() == pytest.approx(0.1, abs=0.005)


def test_a_cover_is_background_as_large_as_it_says() -> None:
    covered = distort("occlusion", 6, torch.ones(50, 1, 28, 28))
    assert (covered == 0).sum((1, 2, 3)).tolist() == [36] * 50
    assert covered[:, :, :4].all() and covered[:, :, 24:].all()


def test_contrast_fades_pixels() -> None:
    assert distort("contrast", 30, square()).max().item() == pytest.approx(0.3)


def test_errors_are_counted_per_experiment_and_seed(sample: Dataset) -> None:
    config = load_config("lecture/mlp").config
    classifiers = [build_classifier(config, seed) for seed in (0, 1)]
    split = Split(sample.test.images, sample.test.labels)
    found = measure_robustness([("mlp", classifiers), ("one", classifiers[:1])], split, images=50)
    assert [(m.experiment, len(m.errors)) for m in found[:2]] == [("mlp", 2), ("one", 1)]
    assert len(found) == 2 * len(DISTORTIONS)
    first = found[0]
    assert first.n == 50
    assert first.errors[0] == found[1].errors[0]  # the same pictures for all
    mean = sum(counts[0] for counts in first.errors) / 2
    assert first.percents[0] == pytest.approx(100 * mean / 50)
    assert "| shift, pixels | 0 | 1 |" in make_tables(found)[0].markdown()
    assert as_dicts(found)[0]["distortion"] == "shift"
    assert len(draw_robustness(found).axes) == len(DISTORTIONS)
