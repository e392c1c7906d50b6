"""Seeds side by side are seeds one by one, to the bit."""

from collections.abc import Iterator

import pytest
import torch
from learners import SEEDS, batch, learner

from lenet.training.gradient import GradientLearner
from lenet.training.threaded import ThreadedLearner


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_members_side_by_side_become_what_each_becomes_alone_with_one_thread(one_thread) -> None:
    alone = learner(GradientLearner, "batch norm", ema=0.9)
    torch.set_num_threads(2)
    together = learner(ThreadedLearner, "batch norm", ema=0.9)
    assert together.pool._max_workers == 2
    for step in range(4):
        torch.set_num_threads(1)
        one = alone.learn(*batch(step))
        torch.set_num_threads(2)
        other = together.learn(*batch(step))
        assert torch.equal(one.loss_sum, other.loss_sum)
        assert torch.equal(one.errors, other.errors)
    assert torch.get_num_threads() == 2
    for index in range(len(SEEDS)):
        state = together.state(index)
        for key, value in alone.state(index).items():
            assert torch.equal(state[key], value), key


def test_an_error_in_a_member_is_not_lost() -> None:
    inputs, targets = batch(0)
    with pytest.raises(RuntimeError, match="size"):
        learner(ThreadedLearner, "batch norm", ema=0.9).learn(inputs[..., :7, :7], targets)
