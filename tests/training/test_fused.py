"""The learner of the compiled kernels against the one of PyTorch."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lenet.config.load import load_config
from lenet.config.schema import SGD, Config
from lenet.data.datasets import Split, load_dataset
from lenet.data.splits import make_splits
from lenet.errors import UsageError
from lenet.kernels import support
from lenet.kernels.plan import plan_network
from lenet.kernels.support import missing
from lenet.losses import CrossEntropy
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.training.build import build
from lenet.training.experiment import resume_runs, run_experiment
from lenet.training.fused import FusedLearner, choose_kernels, why_not
from lenet.training.gradient import GradientLearner
from lenet.training.optimizers import sgd
from lenet.training.schedules import one_cycle

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(missing() is not None, reason=f"needs {missing()}")

SMALL = ["data.name=mnist-sample", "data.train_size=200", "train.epochs=2"]
SMALL += ["evaluate.pictures=false", "data.validation=0"]

NESTEROV = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
NO_MOMENTUM = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}


BATCH_NORM = pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])


def a_model(seed: int, batch_norm: bool) -> LeNet5Modern:
    torch.manual_seed(seed)
    return LeNet5Modern(batch_norm=batch_norm)


def learner(
    rule: type[GradientLearner],
    seeds: tuple[int, ...] = (0,),
    ema: float = 0.0,
    batch_norm: bool = False,
    **options: Any,
) -> GradientLearner:
    models = [a_model(seed, batch_norm) for seed in seeds]
    if rule is FusedLearner:
        plan, optimizer = (
            plan_network(models[0], 1, 32),
            SGD(kind="sgd", lr=0.05, **(options or NESTEROV)),
        )
        rule = partial(FusedLearner, plan, (0.0, 1.0), optimizer)  # type: ignore[assignment]
    return rule(
        models,
        seeds,
        loss=CrossEntropy(0.1),
        classify=lambda outputs: outputs.argmax(1),
        optimizer=partial(sgd, lr=0.05, **(options or NESTEROV)),
        schedule=one_cycle(2),
        steps_per_epoch=4,
        ema=ema,
    )


def batch(step: int, seeds: int = 1, n: int = 40, mixed: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(seeds, n, 1, 32, 32, generator=generator)
    targets = torch.randint(10, (seeds, n), generator=generator)
    if mixed:
        return inputs, 0.6 * F.one_hot(targets, 10).float() + 0.4 * F.one_hot(targets.flip(1), 10)
    return inputs, targets


@needs_kernels
@pytest.mark.parametrize("options", [NESTEROV, NO_MOMENTUM], ids=["nesterov", "no momentum"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("mixed", [False, True])
@BATCH_NORM
def test_the_first_steps_are_those_of_pytorch(
    monkeypatch: pytest.MonkeyPatch, options, ema: float, mixed: bool, batch_norm: bool
) -> None:
    monkeypatch.setattr("lenet.training.gradient.LOOK_EVERY", 3)
    ours = learner(FusedLearner, ema=ema, batch_norm=batch_norm, **options)
    theirs = learner(GradientLearner, ema=ema, batch_norm=batch_norm, **options)
    # In these batches no weighted sum is within rounding of 0, where a ReLU is open or shut.
    for step in range(10, 16):
        found, expected = (each.learn(*batch(step, mixed=mixed)) for each in (ours, theirs))
        torch.testing.assert_close(found.loss_sum, expected.loss_sum, rtol=1e-5, atol=0)
        assert found.errors.dtype == expected.errors.dtype
        if step == 12:
            torch.testing.assert_close(found.gradient_norm, expected.gradient_norm)
        assert found.errors.tolist() == expected.errors.tolist()
        assert ours.learning_rate == theirs.learning_rate
    state = theirs.state(0)
    assert list(ours.state(0)) == list(state)
    for name, value in ours.state(0).items():
        assert value.dtype == state[name].dtype
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-6)
    for one, other in zip(ours.model(0).parameters(), theirs.model(0).parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@needs_kernels
@pytest.mark.parametrize("options", [NESTEROV, NO_MOMENTUM], ids=["nesterov", "no momentum"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
@BATCH_NORM
def test_a_loaded_state_goes_on_with_the_same_bits(options, ema: float, batch_norm: bool) -> None:
    straight, first, resumed = (
        learner(FusedLearner, ema=ema, batch_norm=batch_norm, **options) for _ in range(3)
    )
    for step in range(6):
        straight.learn(*batch(step))
    for step in range(3):
        first.learn(*batch(step))
    resumed.load_state(0, first.state(0))
    for step in range(3, 6):
        resumed.learn(*batch(step))
    expected, found = straight.state(0), resumed.state(0)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


@needs_kernels
@BATCH_NORM
def test_looking_at_the_model_changes_nothing(batch_norm: bool) -> None:
    quiet, watched = (learner(FusedLearner, ema=0.9, batch_norm=batch_norm) for _ in range(2))
    watched.model(0)
    for step in range(3):
        quiet.learn(*batch(step))
        watched.learn(*batch(step))
        watched.model(0)
        watched.state(0)
    for name, value in quiet.state(0).items():
        assert torch.equal(value, watched.state(0)[name]), name


@needs_kernels
def test_pytorchs_optimizer_is_not_made_as_its_import_takes_two_seconds() -> None:
    ours = learner(FusedLearner, ema=0.9)
    ours.learn(*batch(0))
    ours.load_state(0, ours.state(0))
    assert ours.learning_rate == pytest.approx(0.05 * ours.schedule(1 / 4))
    assert "optimizers" not in vars(ours)


@needs_kernels
def test_seeds_learn_side_by_side_as_each_alone_on_one_thread() -> None:
    together = learner(FusedLearner, (0, 1, 2))
    for step in range(4):
        together.learn(*batch(step, 3))
    for seed in range(3):
        alone = learner(FusedLearner, (seed,))  # the tests have one thread
        for step in range(4):
            alone.learn(*(part[seed : seed + 1] for part in batch(step, 3)))
        for name, value in alone.state(0).items():
            assert torch.equal(value, together.state(seed)[name]), name


def quickstart(*changes: str) -> Config:
    return load_config("quickstart", [*SMALL, *changes]).config


@needs_kernels
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["model={kind: mlp}"], "do not know the network mlp"),
        (["model.dropout=0.1"], "do not know dropout"),
        (["model.activation=tanh"], "do not know the layer Tanh"),
        (["loss={kind: squared-targets}"], "know cross-entropy, not squared-targets"),
        (["optimizer={kind: adamw}"], "know sgd, not adamw"),
    ],
)
def test_what_the_kernels_do_not_cover_is_left_to_pytorch(changes, reason: str) -> None:
    assert choose_kernels(quickstart(*changes), CPU) == "torch"
    with pytest.raises(UsageError, match=reason) as caught:
        choose_kernels(quickstart("kernels=fast", *changes), CPU)
    assert caught.value.path == ("kernels",)


def test_pytorch_trains_where_registers_are_too_narrow_and_says_so(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+sse4.2,-avx2,-avx512f")
    lines: list[str] = []
    (run,) = run_experiment(quickstart(), "narrow", say=lines.append).runs
    needs = "the fast kernels need a processor with AVX2 or AVX-512"
    assert lines.count(f"note: trains by PyTorch: {needs}") == 1
    assert run.read_json("environment.json")["kernels"] == "torch"
    with pytest.raises(UsageError, match=needs):
        choose_kernels(quickstart("kernels=fast"), CPU)
    lines.clear()
    wide = ("model={kind: compact, channels: [64, 64, 128, 128]}", "input.size=28")
    for left_anyway in (["model.activation=tanh"], wide, ["kernels=torch"]):
        assert choose_kernels(quickstart(*left_anyway), CPU, say=lines.append) == "torch"
    assert not lines


def test_other_devices_and_several_processes_are_left_to_pytorch() -> None:
    assert why_not(quickstart(), torch.device("cuda")) == (
        "the fast kernels are for the CPU, not for cuda"
    )
    assert "among processes" in str(why_not(quickstart(), CPU, processes=2))


@needs_kernels
def test_auto_is_fast_where_it_can_be_and_torch_can_be_had() -> None:
    assert choose_kernels(quickstart(), CPU) == "fast"
    assert choose_kernels(quickstart("kernels=torch"), CPU) == "torch"
    compact = ("model={kind: compact}", "input.size=28")
    wide = ("model={kind: compact, channels: [64, 64, 128, 128]}", "input.size=28")
    assert choose_kernels(quickstart(*compact), CPU) == "fast"
    assert choose_kernels(quickstart(*wide), CPU) == "torch"  # perhaps not faster there
    assert choose_kernels(quickstart(*wide, "kernels=fast"), CPU) == "fast"


@needs_kernels
@BATCH_NORM
def test_training_becomes_what_it_becomes_with_pytorch(elsewhere: Path, batch_norm: bool) -> None:
    metrics = {}
    for kernels in ("fast", "torch"):
        config = quickstart(f"kernels={kernels}", f"model.batch_norm={str(batch_norm).lower()}")
        (run,) = run_experiment(config, kernels).runs
        assert run.read_json("environment.json")["kernels"] == kernels
        metrics[kernels] = run.lines("metrics.jsonl")
    for ours, theirs in zip(metrics["fast"], metrics["torch"], strict=True):
        assert ours["loss/train"] == pytest.approx(theirs["loss/train"], rel=1e-3)
        assert ours["loss/test"] == pytest.approx(theirs["loss/test"], rel=1e-3)
        # Of hundreds, for so short a training leaves many images between two classes.
        assert abs(ours["errors/test"] - theirs["errors/test"]) <= 0.03 * theirs["errors/test"]


@needs_kernels
def test_distorted_batches_are_those_of_pytorch(elsewhere: Path) -> None:
    elastic = "augment=[RandomAffine: {degrees: 8}, ElasticTransform: {alpha: 24, sigma: 4}]"
    config = quickstart("train.no_augment_epochs=0", elastic)
    components, splits = (
        build(config, [0, 1]),
        make_splits(load_dataset("mnist-sample"), config, CPU),
    )
    fast, slow = (
        components.batches(splits.train, [0, 1], kernels=kernels).batch(1, 0)
        for kernels in ("fast", "torch")
    )
    inputs = torch.stack([components.classifiers[0].preprocess(images) for images in fast[0]])
    torch.testing.assert_close(inputs, slow[0], rtol=0, atol=3e-5)  # divided by 0.3081
    assert torch.equal(fast[1], slow[1])


@needs_kernels
@pytest.mark.parametrize("augment", ["[]", "[RandomAffine: {degrees: 8}]"])
def test_each_channel_keeps_its_own_levels(augment: str) -> None:
    levels = ["input.mean=[0.5, 0.4, 0.3]", "input.std=[0.2, 0.3, 0.1]", "input.size=32"]
    changes = ["data.name=cifar-10", *levels, f"augment={augment}"]
    config = load_config("modern/compact", [*changes, "train.no_augment_epochs=0"]).config
    assert choose_kernels(config, CPU) == "fast"
    components = build(config, [0])
    images = torch.randint(256, (128, 3, 32, 32), dtype=torch.uint8)
    split = Split(images, torch.arange(128) % 10)
    seen: list[Tensor] = []
    for kernels in ("fast", "torch"):
        learner = components.learner([0], 1, kernels=kernels)
        inputs, labels = components.batches(split, [0], kernels=kernels).batch(1, 0)
        seen.append(learner.learn(inputs, labels).loss_sum)
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-4, atol=0)


@needs_kernels
@pytest.mark.parametrize("begun", ["fast", "torch", None])
def test_a_resumed_run_goes_on_with_what_it_began_with(
    begun: str | None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False] * 3)
    (run,) = run_experiment(quickstart(), "stopped", stop=lambda: next(answers, True)).runs
    recorded = run.read_json("environment.json")
    if begun is None:
        del recorded["kernels"]  # as before there was a choice
    else:
        recorded["kernels"] = begun
    (run.folder / "environment.json").write_text(json.dumps(recorded), encoding="utf-8")
    used: list[str] = []
    learn = FusedLearner.learn
    monkeypatch.setattr(FusedLearner, "learn", lambda *args: (used.append("fast"), learn(*args))[1])
    assert not resume_runs([run.folder]).unfinished
    assert bool(used) == (begun == "fast")


@needs_kernels
def test_a_run_of_the_kernels_goes_on_with_pytorch_where_there_are_none(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False] * 3)
    (run,) = run_experiment(quickstart(), "stopped", stop=lambda: next(answers, True)).runs
    monkeypatch.setattr(support, "find_spec", lambda name: None)
    said: list[str] = []
    assert not resume_runs([run.folder], say=said.append).unfinished
    assert any("continues with PyTorch: the fast kernels need the package numba" in s for s in said)
