"""Seeds side by side are seeds one by one, to the bit."""

from collections.abc import Iterator
from functools import partial

import pytest
import torch

from lenet.losses import LOSSES, classify
from lenet.models import build_model
from lenet.optim import OPTIMIZERS, SCHEDULES, GradientLearner
from lenet.threaded import ThreadedLearner

SEEDS = [3, 4, 5]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def learner(rule: type[GradientLearner]) -> GradientLearner:
    models = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        models.append(build_model("lenet5-modern", 32, batch_norm=True))
    criterion = LOSSES["cross-entropy"]()
    return rule(
        models,
        SEEDS,
        criterion,
        partial(classify, kind=criterion.outputs),
        partial(OPTIMIZERS["sgd"], lr=0.05, weight_decay=0.01, momentum=0.9, nesterov=True),
        SCHEDULES["cosine"](2),
        steps_per_pass=3,
        ema=0.9,
    )


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(step)
    inputs = torch.randn(len(SEEDS), 8, 1, 32, 32, generator=draw)
    return inputs, torch.randint(10, (len(SEEDS), 8), generator=draw)


def test_members_side_by_side_become_what_each_becomes_alone_with_one_thread(one_thread) -> None:
    alone = learner(GradientLearner)
    torch.set_num_threads(2)
    together = learner(ThreadedLearner)
    assert together.pool._max_workers == 2
    for step in range(4):
        torch.set_num_threads(1)
        one = alone.learn(*batch(step))
        torch.set_num_threads(2)
        other = together.learn(*batch(step))
        assert torch.equal(one.loss_sum, other.loss_sum)
        assert torch.equal(one.errors, other.errors)
    assert torch.get_num_threads() == 2
    for member in range(len(SEEDS)):
        state = together.state(member)
        for key, value in alone.state(member).items():
            assert torch.equal(state[key], value), key


def test_an_error_in_a_member_is_not_lost() -> None:
    inputs, targets = batch(0)
    with pytest.raises(RuntimeError, match="size"):
        learner(ThreadedLearner).learn(inputs[..., :7, :7], targets)
