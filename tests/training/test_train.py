"""The main job, on few real images."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset
from lenet.data.splits import Splits, make_splits
from lenet.errors import RunError
from lenet.evaluation.classifier import load_classifier
from lenet.runs.run import Run
from lenet.training.train import is_out_of_patience, train

CPU = torch.device("cpu")


@pytest.fixture
def begin(sample: Dataset, tmp_path: Path) -> Callable[..., tuple[Config, Run, Splits]]:
    """Return what makes a small run of the quickstart with changes."""

    def _begin(*overrides: str, name: str = "small") -> tuple[Config, Run, Splits]:
        settings = ["data.validation=100", "data.train_size=256", "train.epochs=2"]
        settings += ["evaluate.pictures=false", *overrides]
        config = load_config("quickstart", settings).config
        return config, Run.create(name, config, tmp_path), make_splits(sample, config, CPU)

    return _begin


def test_a_run_leaves_its_result_metrics_weights_and_config(begin) -> None:
    config, run, splits = begin()
    (result,) = train(config, [run], splits, CPU)
    assert run.finished
    assert result == run.read_json("result.json")
    assert (result["n/test"], result["n/validation"], result["epochs"]) == (1000, 100, 2)
    assert sum(map(sum, result["confusion/test"])) == 1000
    lines = run.lines("metrics.jsonl")
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[-1]["errors/test"] == result["errors/test"]
    assert lines[0]["accuracy/train"] == (256 - lines[0]["errors/train"]) / 256
    assert [line["epoch"] for line in run.lines("timing.jsonl")] == [1, 2]
    assert Run.open(run.folder).config == config


def test_the_saved_weights_make_the_errors_of_the_result(begin) -> None:
    config, run, splits = begin("train.ema=0.9")
    (result,) = train(config, [run], splits, CPU)
    again = load_classifier(run).evaluate(splits.test)
    assert again.errors == result["errors/test"]
    assert again.confusion.tolist() == result["confusion/test"]


def test_learning_lowers_the_errors(begin) -> None:
    config, run, splits = begin("data.train_size=2000", "train.epochs=3")
    train(config, [run], splits, CPU)
    first, *_, last = (line["errors/test"] for line in run.lines("metrics.jsonl"))
    assert last < first / 2
    assert last < 150


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(begin) -> None:
    contents = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        config, run, splits = begin(f"seed={seed}", "model.dropout=0.2", name=name)
        train(config, [run], splits, CPU)
        files = ("metrics.jsonl", "weights.safetensors")
        contents.append([(run.folder / file).read_bytes() for file in files])
    assert contents[0] == contents[1] != contents[2]


def test_seeds_trained_together_become_what_each_becomes_alone(begin, tmp_path: Path) -> None:
    config, first, splits = begin("seed=0", name="both")
    second = Run.create("both", config.model_copy(update={"seed": 1}), tmp_path)
    train(config, [first, second], splits, CPU)
    alone_config, alone, _ = begin("seed=1", name="alone")
    train(alone_config, [alone], splits, CPU)
    for one, other in zip(second.lines("metrics.jsonl"), alone.lines("metrics.jsonl"), strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    weights = second.load_weights()
    for name, value in alone.load_weights().items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-3)


def test_the_best_validation_epoch_is_kept_when_asked_for(begin) -> None:
    # A learning rate that grows a thousandfold ruins what the first epochs learned.
    config, run, splits = begin(
        "train.keep=best-validation",
        "train.epochs=4",
        "schedule={kind: steps, factors: {3: 100}}",
        "data.train_size=1000",
        "optimizer.lr=0.02",
    )
    (result,) = train(config, [run], splits, CPU)
    lines = run.lines("metrics.jsonl")
    best = min(lines, key=lambda line: line["errors/validation"])
    assert result["kept_epoch"] == best["epoch"] < 4
    assert result["errors/validation"] == best["errors/validation"]
    assert result["errors/test"] == best["errors/test"]


RUINED = (
    # The third epoch's learning rate ruins what the first two learned.
    "train.epochs=9",
    "schedule={kind: steps, factors: {3: 100}}",
    "data.train_size=1000",
    "optimizer.lr=0.02",
)


def test_training_stops_early_when_validation_errors_no_longer_fall(begin) -> None:
    config, run, splits = begin("train.patience=2", *RUINED)
    said: list[str] = []
    (result,) = train(config, [run], splits, CPU, say=said.append)
    lines = run.lines("metrics.jsonl")
    best = min(lines, key=lambda line: line["errors/validation"])
    assert (result["kept_by"], result["kept_epoch"]) == ("best-validation", best["epoch"])
    assert result["epochs"] == len(lines) == best["epoch"] + 2 < 9
    assert load_classifier(run).evaluate(splits.test).errors == best["errors/test"]
    assert any("stops early, for 2 epochs" in line for line in said)
    # Until then it was the run that does not stop.
    straight_config, straight, _ = begin(*RUINED, name="straight")
    train(straight_config, [straight], splits, CPU)
    assert straight.lines("metrics.jsonl")[: len(lines)] == lines


@pytest.mark.parametrize(
    ("errors", "out"),
    [
        ([], False),
        ([9, 8, 7], False),
        ([9, 5, 6], False),
        ([9, 5, 6, 7], True),  # two epochs after the best
        ([5, 5, 5], True),  # as few errors are no fewer
        ([None, 5, None, None], False),  # nothing was counted since
        ([None, 5, None, None, 4], False),
        ([None, 5, None, None, 6], True),
    ],
)
def test_patience_is_measured_in_epochs_at_each_evaluation(begin, errors, out: bool) -> None:
    _, run, _ = begin("train.patience=2")
    for epoch, each in enumerate(errors, 1):
        counted = {} if each is None else {"errors/validation": each}
        run.append("metrics.jsonl", {"epoch": epoch} | counted)
    assert is_out_of_patience(run) == out


def test_seeds_stop_early_each_by_itself(begin, tmp_path: Path) -> None:
    config, first, splits = begin("train.patience=1", "train.epochs=9", name="both")
    both = [first, Run.create("both", config.model_copy(update={"seed": 1}), tmp_path)]
    results = train(config, both, splits, CPU)
    assert results is not None
    lengths = [result["epochs"] for result in results]
    for run, result in zip(both, results, strict=True):
        lines = run.lines("metrics.jsonl")
        errors = [line["errors/validation"] for line in lines]
        assert result["epochs"] == len(lines) <= errors.index(min(errors)) + 2
        assert result["errors/validation"] == min(errors)
        assert (run.folder / "result.json").exists()
    assert lengths[0] != lengths[1]


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_step(begin) -> None:
    config, run, splits = begin("optimizer.lr=1e15", "train.batch_size=64")
    with pytest.raises(RunError, match=r"loss of seed 0 is not finite in epoch 1, step [1-3]"):
        train(config, [run], splits, CPU)
    assert not run.finished


def test_images_are_evaluated_in_the_epochs_asked_for_and_in_the_last(begin) -> None:
    config, run, splits = begin("evaluate.every=2", "train.epochs=3")
    train(config, [run], splits, CPU)
    assert ["errors/test" in line for line in run.lines("metrics.jsonl")] == [False, True, True]


def test_distorted_copies_follow_the_originals(sample: Dataset) -> None:
    config = load_config("quickstart", ["data.train_size=50"]).config
    assert len(make_splits(sample, config, CPU).train) == 50
