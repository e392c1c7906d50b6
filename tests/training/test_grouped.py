"""Seeds in groups are seeds all at once."""

import pytest
import torch
from torch import nn

from lenet.losses import LOSSES
from lenet.models.activations import ScaledTanh
from lenet.training.grouped import GroupedLearner
from lenet.training.sdlm import SDLMLearner, seeds_at_once

SEEDS = [0, 1, 2]


def networks(seeds: list[int]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for seed in seeds:
        torch.manual_seed(seed)
        found.append(nn.Sequential(nn.Flatten(), nn.Linear(16, 5), ScaledTanh(), nn.Linear(5, 10)))
    return found


def learner(seeds: list[int]) -> SDLMLearner:
    loss = LOSSES["squared-targets"]()
    return SDLMLearner(networks(seeds), loss, (4, 4), eta=[0.01, 0.001], curvature_images=4)


def in_groups() -> GroupedLearner:
    return GroupedLearner([learner([0, 1]), learner([2])], [2, 1])


def sample(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(n)
    inputs = torch.rand(len(SEEDS), n, 1, 4, 4, generator=draw)
    return inputs, torch.randint(10, (len(SEEDS), n), generator=draw)


def test_groups_learn_what_all_learn_at_once() -> None:
    together, grouped = learner(SEEDS), in_groups()
    for epoch in (1, 2):
        tallies = []
        for each in (together, grouped):
            each.begin_epoch(epoch, sample)
            tallies.append(each.learn(*sample(8)))
        assert grouped.learning_rate == together.learning_rate
        torch.testing.assert_close(tallies[1].loss_sum, tallies[0].loss_sum)
        assert torch.equal(tallies[1].errors, tallies[0].errors)
    for index in range(len(SEEDS)):
        torch.testing.assert_close(
            grouped.model(index).state_dict(), together.model(index).state_dict()
        )


def test_a_member_goes_on_from_its_own_state() -> None:
    before, after = in_groups(), in_groups()
    before.begin_epoch(2, sample)
    before.learn(*sample(8))
    for index in range(len(SEEDS)):
        after.load_state(index, before.state(index))
    for each in (before, after):
        each.learn(*sample(5))
    for index in range(len(SEEDS)):
        torch.testing.assert_close(after.state(index), before.state(index), rtol=0, atol=0)


@pytest.mark.parametrize(("units", "seeds"), [(300, 5), (500, 3), (1000, 1), (4000, 1)])
def test_a_cpu_steps_fewer_large_networks_at_once(units: int, seeds: int) -> None:
    model = nn.Sequential(nn.Linear(784, units), nn.Linear(units, 10))
    assert seeds_at_once(model, torch.device("cpu")) == seeds
    assert seeds_at_once(model, torch.device("cuda")) >= 1000
