"""What is counted while learning: sums over an epoch, divided once."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lenet.errors import DivergedError
from lenet.training.learner import BatchStats, EpochMetrics

CPU = torch.device("cpu")


def stats(losses: list[float], errors: list[int]) -> BatchStats:
    return BatchStats(torch.tensor(losses, dtype=torch.float64), torch.tensor(errors))


def test_errors_and_losses_are_summed_over_an_epoch_for_each_seed() -> None:
    metrics = EpochMetrics([3, 4], CPU)
    metrics.add(stats([2.0, 6.0], [1, 3]), 4)
    metrics.add(stats([1.0, 0.0], [0, 1]), 2)
    assert metrics.numbers(0) == {"errors/train": 1, "accuracy/train": 5 / 6, "loss/train": 0.5}
    assert metrics.numbers(1) == {"errors/train": 4, "accuracy/train": 2 / 6, "loss/train": 1.0}
    metrics.seconds = 0.5
    assert metrics.timing() == {"seconds": 0.5, "images_per_second": 24.0}  # 6 images, 2 seeds


def test_a_resumed_epoch_goes_on_from_what_was_counted_before() -> None:
    before, after = EpochMetrics([0], CPU), EpochMetrics([0], CPU)
    before.add(stats([2.0], [1]), 4)
    state: dict[str, Tensor] = before.state(0)
    assert all(name.startswith("epoch.") for name in state)
    after.load_state(0, state)
    after.add(stats([1.0], [0]), 2)
    assert after.numbers(0) == {"errors/train": 1, "accuracy/train": 5 / 6, "loss/train": 0.5}


def test_a_look_shows_the_latest_batch_and_the_speed_since_the_last_look() -> None:
    metrics = EpochMetrics([3, 4], CPU)
    metrics.start_clock()
    metrics.add(stats([2.0, 6.0], [1, 3]), 4)
    metrics.look()
    metrics.add(replace(stats([1.0, 0.0], [0, 1]), gradient_norm=torch.tensor([5.0, 0.5])), 2)
    metrics.began -= 1000  # seconds ago
    first, second = metrics.look()
    assert first["step/loss"] == 0.5 and first["step/gradient_norm"] == 5
    assert second["step/loss"] == 0 and second["step/gradient_norm"] == 0.5
    assert first["step/images_per_second"] == pytest.approx(2 * 2 / 1000, rel=1e-3)


def test_a_loss_that_is_not_finite_is_named_by_seed_and_step() -> None:
    metrics = EpochMetrics([3, 4], CPU)
    metrics.add(stats([1.0, 1.0], [0, 0]), 1)
    metrics.check(1, 0)
    for losses in ([1.0, 1.0], [1.0, math.nan], [math.inf, 1.0]):
        metrics.add(stats(losses, [0, 0]), 1)
    with pytest.raises(DivergedError, match="of seed 4 is not finite in epoch 2, step 2"):
        metrics.check(2, 3)
