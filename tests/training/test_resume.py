import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lenet.config.schema import Config
from lenet.data.datasets import Dataset
from lenet.data.splits import Splits, make_splits
from lenet.errors import RunError
from lenet.runs.run import Position, Run
from lenet.studies.verify_resume import compare, compare_files, read_curves
from lenet.training.tensorboard import Dashboard
from lenet.training.train import train

CPU = torch.device("cpu")
SGD = {"kind": "sgd", "lr": 0.05, "weight_decay": 5e-4}
EVERYTHING = {
    "model": {"kind": "lenet5-modern", "dropout": 0.3, "batch_norm": True},
    "train": {"ema": 0.9, "no_augment_epochs": 1},
    "augment": [{"RandomAffine": {"degrees": 15.0}}, {"ElasticTransform": {"alpha": 20.0}}],
    "mix": [{"MixUp": {}}],
}

OF_1998 = {
    "model": {"kind": "lenet5"},
    "loss": {"kind": "map"},
    "optimizer": {"kind": "sdlm", "curvature_images": 20},
    "augment": [{"RandomAffine": {"degrees": 5.0}}],
}

LINES: dict[str, Any] = {
    "data": {
        "name": "mnist-sample", "train_size": 96, "validation": 50,
        "strings": {"width": 48, "digits": [1, 2]},
    },
    "model": {"kind": "line", "channels": [2, 2, 2, 4, 4]},
    "loss": {"kind": "ctc"},
}  # fmt: skip


def a_config(**sections: Any) -> Config:
    """Return a config that trains in a second: six steps of 16 images in each of three epochs."""
    small = {"epochs": 3, "batch_size": 16}
    content: dict[str, Any] = {
        "data": {"name": "mnist-sample", "train_size": 96, "validation": 50},
        "model": {"kind": "mlp", "hidden": [16]},
        "loss": {"kind": "cross-entropy"},
        "optimizer": SGD,
        "evaluate": {"pictures": False},
        **sections,
        "train": small | sections.get("train", {}),
    }
    return Config.model_validate(content)


@pytest.fixture(scope="module")
def splits(sample: Dataset) -> Splits:
    return divide(sample, a_config())


def divide(sample: Dataset, config: Config) -> Splits:
    divided = make_splits(sample, config, CPU)
    return replace(divided, test=divided.test.take(torch.arange(0, len(divided.test), 10)))


def stop_after(steps: int) -> Callable[[], bool]:
    calls = iter(range(steps - 1))
    return lambda: next(calls, None) is None


def train_interrupted(config: Config, splits: Splits, root: Path, every: int) -> Run:
    """Train a run that is stopped after every so many steps, and resumed."""
    run = Run.create("interrupted", config, root)
    while train(config, [run], splits, CPU, stop=stop_after(every)) is None:
        assert not run.finished
    return run


@pytest.mark.parametrize(
    "config",
    [
        a_config(),
        a_config(optimizer=SGD | {"momentum": 0.0, "nesterov": False}),
        a_config(optimizer={"kind": "adamw"}, schedule={"kind": "cosine", "warmup": 0.5}),
        a_config(schedule={"kind": "steps", "factors": {2: 0.1}}),
        a_config(
            schedule={"kind": "one-cycle"}, train={"order": "constant", "images_per_epoch": 50}
        ),
        a_config(train={"keep": "best-validation"}, evaluate={"every": 2}),
        a_config(train={"epochs": 6, "patience": 1}, optimizer=SGD | {"lr": 1.0}),
        a_config(data={"balance": True}),
        a_config(**EVERYTHING),
        a_config(**EVERYTHING, optimizer={"kind": "adamw"}),
        a_config(
            model={"kind": "compact", "channels": [3, 4], "pooled": [1]},
            input={"size": 28},
            train={"ema": 0.9},
            quantize={"weights": 4},
        ),
        a_config(**OF_1998),
        a_config(**LINES),
    ],
    ids=[
        "sgd",
        "plain sgd",
        "adamw",
        "steps",
        "constant order",
        "best",
        "patience",
        "balanced",
        "all",
        "all with adamw",
        "quantized",
        "1998",
        "lines",
    ],
)
def test_a_stopped_and_resumed_run_is_the_straight_one_to_the_bit(
    config: Config, sample: Dataset, tmp_path: Path
) -> None:
    splits = divide(sample, config)
    straight = Run.create("straight", config, tmp_path)
    train(config, [straight], splits, CPU)
    # Stops within the first epoch, within the second, at the end of the second, within the third.
    interrupted = train_interrupted(config, splits, tmp_path, every=4)
    assert compare_files(straight.folder, interrupted.folder) == []


def test_seeds_that_stop_early_apart_resume_together_to_the_bit(
    splits: Splits, tmp_path: Path
) -> None:
    config = a_config(train={"epochs": 6, "patience": 1}, optimizer=SGD | {"lr": 1.0})
    straight, parted = (
        [Run.create(name, config.model_copy(update={"seed": s}), tmp_path) for s in (0, 1, 2)]
        for name in ("straight", "parted")
    )
    results = train(config, straight, splits, CPU)
    assert results is not None
    assert len({result["epochs"] for result in results}) > 1
    while train(config, parted, splits, CPU, stop=stop_after(5)) is None:
        pass
    for one, other in zip(straight, parted, strict=True):
        assert compare_files(one.folder, other.folder) == []


def test_checkpoints_do_not_change_the_run(splits: Splits, tmp_path: Path) -> None:
    config = a_config(**EVERYTHING)
    often = config.train.model_copy(update={"checkpoint_steps": 1})
    one = Run.create("one", config, tmp_path)
    other = Run.create("other", config.model_copy(update={"train": often}), tmp_path)
    for run in (one, other):
        train(run.config, [run], splits, CPU)
    assert compare_files(one.folder, other.folder) == []


def test_evaluating_otherwise_does_not_change_the_weights(splits: Splits, tmp_path: Path) -> None:
    runs = []
    for every, size in ((1, 1000), (2, 64), (3, 7)):
        config = a_config(evaluate={"every": every, "batch_size": size})
        runs.append(Run.create(f"{every}", config, tmp_path))
        train(config, runs[-1:], splits, CPU)
    weights = [(run.folder / "weights.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1] == weights[2]
    assert len({run.read_json("result.json")["errors/test"] for run in runs}) == 1


def test_tensorboard_shows_one_clean_curve_of_an_interrupted_run(
    splits: Splits, tmp_path: Path
) -> None:
    config = a_config()
    straight = Run.create("straight", config, tmp_path)
    train(config, [straight], splits, CPU)
    run = train_interrupted(config, splits, tmp_path, every=4)
    assert compare(straight.folder, run.folder) == []
    assert [step for step, _ in read_curves(run.folder)["errors/test"]] == [1, 2, 3]


def test_a_run_killed_after_logging_an_epoch_logs_it_once(splits: Splits, tmp_path: Path) -> None:
    config = a_config()
    straight, run = (Run.create(name, config, tmp_path) for name in ("straight", "killed"))
    train(config, [straight], splits, CPU)
    assert train(config, [run], splits, CPU, stop=stop_after(8)) is None
    # As if epoch 2 had been logged, but not yet saved, when the process was killed.
    run.append("metrics.jsonl", {"epoch": 2, "errors/test": 1})
    run.append("timing.jsonl", {"epoch": 2, "seconds": 1.0})
    dashboard = Dashboard(run, 2)
    dashboard.write({"epoch": 2, "errors/test": 1})
    dashboard.close()
    assert train(config, [run], splits, CPU) is not None
    assert compare(straight.folder, run.folder) == []


def test_seeds_a_checkpoint_apart_go_on_from_the_one_they_share(
    splits: Splits, tmp_path: Path
) -> None:
    config = a_config()
    seeds = [config.model_copy(update={"seed": seed}) for seed in (0, 1)]
    straight = [Run.create("straight", c, tmp_path) for c in seeds]
    train(config, straight, splits, CPU)
    runs = [Run.create("killed", c, tmp_path) for c in seeds]
    for steps in (2, 2):
        assert train(config, runs, splits, CPU, stop=stop_after(steps)) is None
    # As if the process had been killed when only the first seed had saved its fourth step.
    behind = runs[1].folder
    (behind / "state.previous.safetensors").replace(behind / "state.safetensors")
    said: list[str] = []
    assert train(config, runs, splits, CPU, say=said.append) is not None
    assert said[0] == "continuing in epoch 1 after 2 steps"
    for one, other in zip(straight, runs, strict=True):
        assert compare_files(one.folder, other.folder) == []


def test_seeds_that_share_no_checkpoint_are_not_trained_together(
    splits: Splits, tmp_path: Path
) -> None:
    config = a_config()
    runs = [
        Run.create("run", config.model_copy(update={"seed": seed}), tmp_path) for seed in (0, 1)
    ]
    for steps in (2, 2):
        assert train(config, runs[:1], splits, CPU, stop=stop_after(steps)) is None
    with pytest.raises(RunError, match="stopped at different places: resume them one by one"):
        train(config, runs, splits, CPU)


def test_a_damaged_newest_checkpoint_costs_steps_and_nothing_else(
    splits: Splits, tmp_path: Path
) -> None:
    config = a_config(**EVERYTHING)
    straight, run = (Run.create(name, config, tmp_path) for name in ("straight", "damaged"))
    train(config, [straight], splits, CPU)
    assert train(config, [run], splits, CPU, stop=stop_after(15)) is None
    newest = run.folder / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    said: list[str] = []
    assert train(config, [run], splits, CPU, say=said.append) is not None
    assert f"warning: {newest} is damaged" in said[0]
    assert "continuing in epoch 3 after 0 steps" in said[2]
    assert compare_files(straight.folder, run.folder) == []


@pytest.mark.parametrize("model", [{"kind": "mlp", "hidden": [17]}, {"kind": "linear"}])
def test_the_checkpoint_of_another_network_is_refused(
    model: dict[str, Any], splits: Splits, tmp_path: Path
) -> None:
    run = Run.create("run", a_config(), tmp_path)
    assert train(run.config, [run], splits, CPU, stop=stop_after(2)) is None
    other = a_config(model=model)
    with pytest.raises(RunError, match=r"another network's: \S+ is .*, expected"):
        train(other, [Run(run.folder, other)], splits, CPU)


@pytest.mark.parametrize("change", ["drop", "add", "reshape", "retype"])
def test_a_checkpoint_with_other_tensors_is_refused(
    change: str, splits: Splits, tmp_path: Path
) -> None:
    config = a_config(optimizer={"kind": "adamw"}, train={"ema": 0.9})
    run = Run.create("run", config, tmp_path)
    assert train(config, [run], splits, CPU, stop=stop_after(2)) is None
    ((position, state),) = run.load_states().items()
    for name in state:
        changed = dict(state)
        if change == "drop":
            del changed[name]
        elif change == "add":
            changed[f"{name}.more"] = state[name].clone()
        elif change == "reshape":
            changed[name] = torch.cat([state[name].reshape(-1)] * 2)
        else:
            changed[name] = state[name].to(torch.float16)
        run.save_state(changed, position)
        with pytest.raises(RunError, match=r"the checkpoint of .* is another network's"):
            train(config, [run], splits, CPU)


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    splits: Splits, tmp_path: Path
) -> None:
    run = Run.create("run", a_config(), tmp_path)
    assert train(run.config, [run], splits, CPU, stop=stop_after(2)) is None
    before = (run.folder / "state.safetensors").read_bytes()
    wild = a_config(optimizer=SGD | {"lr": 1e15})
    with pytest.raises(RunError, match=r"loss of seed 0 is not finite in epoch 1, step [2-5]"):
        train(wild, [Run(run.folder, wild)], splits, CPU)
    assert (run.folder / "state.safetensors").read_bytes() == before
    assert list(run.load_states()) == [Position(1, 2)]


# TensorBoard's own thread finds the folder gone, too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_folder_deleted_during_training_is_said_to_be_gone(
    splits: Splits, tmp_path: Path
) -> None:
    run = Run.create("run", a_config(), tmp_path)

    def move_away_and_stop() -> bool:
        run.folder.rename(tmp_path / "elsewhere")
        return True

    with pytest.raises(RunError, match="cannot be written: its folder is gone"):
        train(run.config, [run], splits, CPU, stop=move_away_and_stop)


def test_a_resumed_epoch_counts_all_its_images(splits: Splits, tmp_path: Path) -> None:
    run = train_interrupted(a_config(), splits, tmp_path, every=4)
    metrics = run.lines("metrics.jsonl")
    assert [line["epoch"] for line in metrics] == [1, 2, 3]
    for line in metrics:
        assert line["accuracy/train"] == (96 - line["errors/train"]) / 96
    assert json.loads((run.folder / "result.json").read_bytes())["epochs"] == 3


def test_files_that_are_removed_during_training_are_noticed(splits: Splits, tmp_path: Path) -> None:
    run = Run.create("run", a_config(), tmp_path)

    def remove() -> bool:
        metrics = run.folder / "metrics.jsonl"
        if metrics.exists() and b'"epoch": 1' in metrics.read_bytes():
            metrics.unlink()
        return False

    with pytest.raises(RunError, match="lacks epochs: files of the run were removed"):
        train(run.config, [run], splits, CPU, stop=remove)
    assert not run.finished


def test_weights_of_another_network_in_a_run_that_has_only_to_finish_are_refused(
    splits: Splits, tmp_path: Path
) -> None:
    run = Run.create("run", a_config(), tmp_path)
    train(run.config, [run], splits, CPU)
    (run.folder / "result.json").unlink()
    run.save_weights({"other": torch.zeros(3)})
    with pytest.raises(RunError, match="holds the weights of another network"):
        train(run.config, [run], splits, CPU)
