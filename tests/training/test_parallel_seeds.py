"""Seeds at once are seeds one by one: to rounding in one network, to the bit side by side."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from learners import ADAMW, NETWORKS, SEEDS, SGD, batch, learner
from torch import nn

from lenet.config.load import load_config
from lenet.losses import LOSSES
from lenet.models import build_model
from lenet.models.activations import ScaledTanh
from lenet.training import experiment
from lenet.training.experiment import run_experiment
from lenet.training.gradient import GradientLearner
from lenet.training.parallel_seeds import (
    GroupedLearner,
    StackedLearner,
    ThreadedLearner,
    can_stack,
    pays_off,
)
from lenet.training.sdlm import SDLMLearner, seeds_at_once


@pytest.fixture
def doubles() -> Iterator[None]:
    """Networks and inputs in float64, whose rounding four steps with batch norm do not blow up."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# A bias before batch norm has no gradient but rounding, which Adam makes as large as any other.
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [(name, SGD) for name in NETWORKS] + [(n, ADAMW) for n in NETWORKS if n != "batch norm"],
)
def test_seeds_stepped_at_once_become_what_each_becomes_alone(name: str, optimizer) -> None:
    alone = learner(GradientLearner, name, optimizer, ema=0.5)
    together = learner(StackedLearner, name, optimizer, ema=0.5)
    for step in range(4):
        one, other = alone.learn(*batch(step)), together.learn(*batch(step))
        torch.testing.assert_close(other.loss_sum, one.loss_sum)
        assert other.errors.tolist() == one.errors.tolist()
    for index in range(len(SEEDS)):
        state, expected = together.state(index), alone.state(index)
        assert list(state) == list(expected)
        for key, value in expected.items():
            torch.testing.assert_close(state[key], value)


FORGETFUL = partial(SGD, momentum=0.0, nesterov=False, weight_decay=0.5)


def test_seeds_at_once_have_the_gradients_that_each_has_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lenet.training.gradient.LOOK_EVERY", 2)
    learners = [learner(rule) for rule in (GradientLearner, StackedLearner)]
    learners.append(GroupedLearner([learner(StackedLearner)], [len(SEEDS)]))
    for step in range(2):
        alone, *others = (each.learn(*batch(step)).gradient_norm for each in learners)
    for norms in others:
        torch.testing.assert_close(norms, alone, rtol=1e-3, atol=0)


@pytest.mark.parametrize("optimizer", [SGD, ADAMW, FORGETFUL], ids=["sgd", "adamw", "no momentum"])
def test_a_loaded_state_goes_on_to_the_same_bits(optimizer) -> None:
    straight, resumed = (
        learner(StackedLearner, "batch norm", optimizer, ema=0.9) for _ in range(2)
    )
    for step in range(2):
        straight.learn(*batch(step))
    for index in range(len(SEEDS)):
        resumed.load_state(index, straight.state(index))
    for each in (straight, resumed):
        each.learn(*batch(2))
    for index in range(len(SEEDS)):
        state = resumed.state(index)
        for key, value in straight.state(index).items():
            assert torch.equal(state[key], value), key


def test_a_seed_goes_on_alone_from_where_it_was_with_the_others() -> None:
    together, alone = learner(StackedLearner), learner(GradientLearner)
    together.learn(*batch(0))
    for index in range(len(SEEDS)):
        alone.load_state(index, together.state(index))
    one, other = together.learn(*batch(1)), alone.learn(*batch(1))
    torch.testing.assert_close(other.loss_sum, one.loss_sum)


def test_kernels_decay_and_biases_do_not() -> None:
    together = learner(StackedLearner)
    decaying, others = together.optimizer.param_groups
    assert [w.dim() for w in decaying["params"]] == [5, 5, 5, 3, 3]
    assert {w.dim() for w in others["params"]} == {2}


class Slow:
    """Learns nothing, and takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def learn(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        time.sleep(self.seconds)


def test_the_clock_decides_whether_seeds_are_stepped_at_once() -> None:
    assert pays_off(Slow(0.02), Slow(0.03), *batch(0))
    assert not pays_off(Slow(0.02), Slow(0.09), *batch(0))


def test_dropout_keeps_seeds_apart() -> None:
    assert can_stack(build_model("lenet5-modern", 32), torch.device("cpu"))
    assert not can_stack(build_model("lenet5-modern", 32, dropout=0.1), torch.device("cpu"))


SMALL = [
    "data.name=mnist-sample",
    "data.train_size=100",
    "train.epochs=2",
    "evaluate.pictures=false",
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step seeds at once, whatever the clock says."""
    monkeypatch.setattr(
        experiment, "is_faster_together", lambda components, seeds, *_: len(seeds) > 1
    )


def test_seeds_trained_at_once_leave_the_runs_that_each_leaves_alone(
    elsewhere: Path, at_once: None
) -> None:
    config = load_config("quickstart", SMALL).config
    both = run_experiment(config, "both", seeds=2).runs
    for seed, run in enumerate(both):
        alone = config.model_copy(update={"seed": seed})
        (expected,) = run_experiment(alone, "alone").runs
        assert run.config == expected.config
        assert run.read_json("environment.json")["together"] == [0, 1]
        assert expected.read_json("environment.json")["together"] == []
        for line, known in zip(
            run.lines("metrics.jsonl"), expected.lines("metrics.jsonl"), strict=True
        ):
            assert line["loss/train"] == pytest.approx(known["loss/train"], rel=1e-3)
            assert abs(line["errors/train"] - known["errors/train"]) <= 1


def test_more_seeds_join_those_that_were_stopped(elsewhere: Path, at_once: None) -> None:
    config = load_config("quickstart", SMALL).config
    answers = iter([False] * 3)
    run_experiment(config, "m", seeds=2, stop=lambda: next(answers, True))
    runs = run_experiment(config, "m", seeds=4, resume=True).runs
    assert all(run.finished for run in runs)
    groups = [run.read_json("environment.json")["together"] for run in runs]
    assert groups == [[0, 1], [0, 1], [2, 3], [2, 3]]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_seeds_side_by_side_become_what_each_becomes_alone_with_one_thread(one_thread) -> None:
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


def test_an_error_in_a_seed_is_not_lost() -> None:
    inputs, targets = batch(0)
    with pytest.raises(RuntimeError, match="size"):
        learner(ThreadedLearner, "batch norm", ema=0.9).learn(inputs[..., :7, :7], targets)


THREE = [0, 1, 2]


def networks(seeds: list[int]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for seed in seeds:
        torch.manual_seed(seed)
        found.append(nn.Sequential(nn.Flatten(), nn.Linear(16, 5), ScaledTanh(), nn.Linear(5, 10)))
    return found


def of_1998(seeds: list[int]) -> SDLMLearner:
    loss = LOSSES["squared-targets"]()
    return SDLMLearner(networks(seeds), loss, (4, 4), eta=[0.01, 0.001], curvature_images=4)


def in_groups() -> GroupedLearner:
    return GroupedLearner([of_1998([0, 1]), of_1998([2])], [2, 1])


def sample(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(n)
    inputs = torch.rand(len(THREE), n, 1, 4, 4, generator=draw)
    return inputs, torch.randint(10, (len(THREE), n), generator=draw)


def test_groups_learn_what_all_learn_at_once() -> None:
    together, grouped = of_1998(THREE), in_groups()
    for epoch in (1, 2):
        stats = []
        for each in (together, grouped):
            each.begin_epoch(epoch, sample)
            stats.append(each.learn(*sample(8)))
        assert grouped.learning_rate == together.learning_rate
        torch.testing.assert_close(stats[1].loss_sum, stats[0].loss_sum)
        assert torch.equal(stats[1].errors, stats[0].errors)
    for index in range(len(THREE)):
        torch.testing.assert_close(
            grouped.model(index).state_dict(), together.model(index).state_dict()
        )


def test_a_seed_goes_on_from_its_own_state() -> None:
    before, after = in_groups(), in_groups()
    before.begin_epoch(2, sample)
    before.learn(*sample(8))
    for index in range(len(THREE)):
        after.load_state(index, before.state(index))
    for each in (before, after):
        each.learn(*sample(5))
    for index in range(len(THREE)):
        torch.testing.assert_close(after.state(index), before.state(index), rtol=0, atol=0)


@pytest.mark.parametrize(("units", "seeds"), [(300, 5), (500, 3), (1000, 1), (4000, 1)])
def test_a_cpu_steps_fewer_large_networks_at_once(units: int, seeds: int) -> None:
    model = nn.Sequential(nn.Linear(784, units), nn.Linear(units, 10))
    assert seeds_at_once(model, torch.device("cpu")) == seeds
    assert seeds_at_once(model, torch.device("cuda")) >= 1000
