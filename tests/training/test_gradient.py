"""Schedules, decay groups, weight averages, and a learner against PyTorch's own."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lenet.models.lenet5_modern import LeNet5Modern
from lenet.models.mlp import MLP
from lenet.training.gradient import GradientLearner, gradient_norm
from lenet.training.optimizers import WeightAverage, adamw, decay_groups, sgd
from lenet.training.schedules import SCHEDULES, constant, cosine, one_cycle, steps


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


def learner(models: list[nn.Module], optimizer=None, **options) -> GradientLearner:
    return GradientLearner(
        models,
        options.pop("seeds", list(range(len(models)))),
        loss=cross_entropy,
        classify=lambda outputs: outputs.argmax(1),
        optimizer=optimizer or partial(sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        schedule=options.pop("schedule", constant(1)),
        steps_per_epoch=options.pop("steps_per_epoch", 4),
        **options,
    )


def small(seed: int, **options) -> MLP:
    torch.manual_seed(seed)
    return MLP(hidden=[8], size=4, **options)


def batch(seed: int, indices: int = 1, n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(indices, n, 1, 4, 4, generator=generator)
    return inputs, torch.randint(10, (indices, n), generator=generator)


def test_a_constant_schedule_rises_along_a_straight_line_and_stays() -> None:
    schedule = constant(10, warmup=2)
    assert [schedule(done) for done in (0, 1, 2, 9)] == [0, 0.5, 1, 1]


def test_steps_hold_from_the_epoch_on_that_they_name() -> None:
    schedule = steps(5, {2: 0.5, 4: 0.1})
    assert [schedule(done) for done in (0, 0.9, 1, 2.5, 3, 4)] == [1, 1, 0.5, 0.5, 0.1, 0.1]


def test_half_a_cosine_is_half_way_down_in_the_middle() -> None:
    schedule = cosine(10, warmup=2, final=0.1)
    assert schedule(1) == 0.5
    assert schedule(2) == 1
    assert schedule(6) == pytest.approx(0.55)
    assert schedule(10) == pytest.approx(0.1)


def test_one_cycle_peaks_after_a_quarter_and_ends_at_its_final_factor() -> None:
    schedule = one_cycle(8, final=0.2)
    assert [schedule(done) for done in (0, 1, 2)] == pytest.approx([0, 0.5, 1])
    assert schedule(5) == pytest.approx(0.6)
    assert schedule(8) == pytest.approx(0.2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_stays_between_0_and_1(name: str) -> None:
    factors = {"factors": {2: 0.5}} if name == "steps" else {}
    schedule = SCHEDULES[name](4, **factors)
    assert all(0 <= schedule(done / 10) <= 1 for done in range(41))


def test_biases_and_batch_norm_do_not_decay() -> None:
    model = LeNet5Modern(batch_norm=True)
    decaying, free = decay_groups(model, 0.1)
    assert decaying["weight_decay"] == 0.1 and free["weight_decay"] == 0
    assert {id(w) for w in decaying["params"]} == {
        id(layer.weight) for layer in (model.c1, model.c3, model.c5, model.f6, model.output)
    }
    assert len(decaying["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_the_average_starts_near_the_weights_and_follows_at_its_decay() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = WeightAverage(model, decay=0.5)
    model.weight.data.fill_(1.0)
    average.update(model)  # decay 1/11 at first
    assert average.model.weight.item() == pytest.approx(10 / 11)
    average.updates = 1000
    average.update(model)
    assert average.model.weight.item() == pytest.approx((10 / 11 + 1) / 2)


@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        (
            partial(sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.0),
            partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
        ),
        (
            partial(adamw, lr=0.01, betas=[0.9, 0.999], weight_decay=0.0),
            partial(torch.optim.AdamW, lr=0.01, weight_decay=0.0),
        ),
    ],
)
def test_ten_updates_equal_pytorchs_optimizer(optimizer, reference) -> None:
    model, twin = small(0), small(0)
    ours, theirs = learner([model], optimizer), reference(twin.parameters())
    for step in range(10):
        inputs, targets = batch(step)
        ours.learn(inputs, targets)
        theirs.zero_grad()
        F.cross_entropy(twin(inputs[0]), targets[0]).backward()
        theirs.step()
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_tally_counts_what_was_seen_before_the_update() -> None:
    model = small(0)
    inputs, targets = batch(0)
    outputs = model(inputs[0])
    stats = learner([model]).learn(inputs, targets)
    assert stats.errors.tolist() == [int((outputs.argmax(1) != targets[0]).sum())]
    expected = F.cross_entropy(outputs, targets[0], reduction="sum").double()
    torch.testing.assert_close(stats.loss_sum[0], expected.detach())


def test_every_nth_update_tells_the_norm_of_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenet.training.gradient.LOOK_EVERY", 3)
    rule = learner([small(0)])
    stats = [rule.learn(*batch(step)) for step in range(2)]
    assert all(each.gradient_norm is None for each in stats)
    inputs, targets = batch(2)
    twin = small(0)
    twin.load_state_dict(rule.models[0].state_dict())
    F.cross_entropy(twin(inputs[0]), targets[0]).backward()
    expected = sum(float(weight.grad.square().sum()) for weight in twin.parameters()) ** 0.5
    assert rule.learn(inputs, targets).gradient_norm.tolist() == [pytest.approx(expected)]


def test_the_norm_of_gradients_is_that_of_all_their_numbers_or_of_each_seeds() -> None:
    parts = [torch.tensor([[2.0, 0.0], [3.0, 0.0]]), None, torch.tensor([6.0, 4.0])]
    assert gradient_norm(parts[:1]).item() == pytest.approx(13**0.5)
    # The first seed has 2, 0 and 6, the second 3, 0 and 4.
    assert gradient_norm(parts, dim=1).tolist() == [pytest.approx(40**0.5), 5]


def test_seeds_learn_as_each_would_alone() -> None:
    together = learner([small(0), small(1)])
    inputs, targets = batch(0, indices=2)
    for _ in range(3):
        together.learn(inputs, targets)
    for index in range(2):
        alone = learner([small(index)])
        for _ in range(3):
            alone.learn(inputs[index : index + 1], targets[index : index + 1])
        for a, b in zip(
            together.model(index).parameters(), alone.model(0).parameters(), strict=True
        ):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("optimizer", "options", "ema"),
    [
        (partial(sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01), {}, 0.0),
        (partial(sgd, lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0), {}, 0.9),
        (partial(adamw, lr=0.01, betas=[0.9, 0.99], weight_decay=0.1), {"dropout": 0.5}, 0.9),
    ],
)
def test_a_loaded_state_goes_on_with_the_same_bits(optimizer, options, ema: float) -> None:
    def fresh() -> GradientLearner:
        return learner([small(0, **options)], optimizer, schedule=one_cycle(2), ema=ema)

    straight, first = fresh(), fresh()
    for step in range(6):
        straight.learn(*batch(step))
    for step in range(3):
        first.learn(*batch(step))
    resumed = fresh()
    resumed.load_state(0, first.state(0))
    for step in range(3, 6):
        resumed.learn(*batch(step))
    expected, found = straight.state(0), resumed.state(0)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def test_soft_targets_count_the_larger_share_as_the_right_class() -> None:
    model = small(0)
    inputs, _ = batch(0, n=2)
    labels = model(inputs[0]).argmax(1)
    shares = 0.7 * F.one_hot(labels, 10).float() + 0.3 * F.one_hot((labels + 1) % 10, 10)
    assert learner([model]).learn(inputs, shares[None]).errors.tolist() == [0]
