"""Seeds at once are seeds one by one, to rounding."""

import time
from functools import partial
from pathlib import Path

import pytest
import torch
from learners import ADAMW, NETWORKS, SEEDS, SGD, batch, learner

from lenet.config.load import load_config
from lenet.models import build_model
from lenet.training import experiment
from lenet.training.experiment import run_experiment
from lenet.training.gradient import GradientLearner
from lenet.training.stacked import StackedLearner, can_stack, pays_off


# A bias before batch norm has no gradient but rounding, which Adam makes as large as any other.
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [(name, SGD) for name in NETWORKS] + [(n, ADAMW) for n in NETWORKS if n != "batch norm"],
)
def test_members_stepped_at_once_become_what_each_becomes_alone(name: str, optimizer) -> None:
    alone = learner(GradientLearner, name, optimizer, ema=0.5)
    together = learner(StackedLearner, name, optimizer, ema=0.5)
    for step in range(4):
        one, other = alone.learn(*batch(step)), together.learn(*batch(step))
        torch.testing.assert_close(other.loss_sum, one.loss_sum, rtol=1e-3, atol=1e-4)
        assert other.errors.tolist() == one.errors.tolist()
    for index in range(len(SEEDS)):
        state, expected = together.state(index), alone.state(index)
        assert list(state) == list(expected)
        for key, value in expected.items():
            torch.testing.assert_close(state[key], value, rtol=1e-2, atol=2e-3)


FORGETFUL = partial(SGD, momentum=0.0, nesterov=False, weight_decay=0.5)


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


def test_a_member_goes_on_alone_from_where_it_was_with_the_others() -> None:
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


def test_the_clock_decides_whether_members_are_stepped_at_once() -> None:
    assert pays_off(Slow(0.02), Slow(0.03), *batch(0))
    assert not pays_off(Slow(0.02), Slow(0.09), *batch(0))


def test_dropout_keeps_members_apart() -> None:
    assert can_stack(build_model("lenet5-modern", 32))
    assert not can_stack(build_model("lenet5-modern", 32, dropout=0.1))


SMALL = [
    "data.name=mnist-sample",
    "data.train_size=100",
    "train.epochs=2",
    "evaluate.pictures=false",
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step seeds at once, whatever the clock says."""
    monkeypatch.setattr(experiment, "is_faster_together", lambda config, runs, parts: len(runs) > 1)


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
