"""What a run was made with, and that it continues with nothing else."""

import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lenet.config.load import load_config
from lenet.data.datasets import load_dataset
from lenet.errors import UsageError
from lenet.runs.files import compute_checksum
from lenet.runs.run import Run
from lenet.training.environment import describe_environment, redact_passwords
from lenet.training.experiment import resume_runs, run_experiment


def test_folders_of_this_machine_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["/usr/bin/lenet", "train", "modern/plain", "--runs", "/home/ada/runs", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", command)
    told = describe_environment(torch.device("cpu"), load_dataset("mnist-sample"), {})
    assert told["command"] == ["lenet", "train", "modern/plain", "--runs", "runs", "--seed", "1"]
    assert told["images"] == {"train": 4000, "test": 1000}


def test_versions_are_those_of_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    told = describe_environment(torch.device("cpu"), load_dataset("mnist-sample"), {})
    assert told["torchvision"] == metadata.version("torchvision")
    monkeypatch.setattr(sys, "path", [])  # nothing is installed there
    told = describe_environment(torch.device("cpu"), load_dataset("mnist-sample"), {})
    assert told["torchvision"] is None


SMALL = [
    "data.name=mnist-sample",
    "data.train_size=20",
    "train.epochs=2",
    "train.batch_size=10",
    "evaluate.pictures=false",
    "augment=[]",
    "model={kind: linear}",
    "optimizer.lr=0.001",  # so that mistakes are left to learn from
]


def stopped(name: str, *settings: str) -> Run:
    """Begin a run, stop it after its first step, and return it."""
    config = load_config("quickstart", [*SMALL, *settings]).config
    (run,) = run_experiment(config, name, stop=iter([False, True, True]).__next__).runs
    assert not run.finished
    return run


def train_again(name: str, seed: int) -> None:
    """Replace the run that others learn from by one of another seed."""
    run_experiment(load_config("quickstart", SMALL, seed=seed).config, f"other-{seed}")
    weights = Path("runs", f"other-{seed}", str(seed), "weights.safetensors")
    Path("runs", name, "0", "weights.safetensors").write_bytes(weights.read_bytes())


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("distil.teacher", ["distil.teacher=runs/first/0"]),
        (
            "data.boosting.earlier",
            ["data.boosting.earlier=[runs/first/0]", "train.images_per_epoch=20"],
        ),
    ],
)
def test_a_changed_network_that_a_run_learns_from_is_refused(
    elsewhere: Path, key: str, settings: list[str]
) -> None:
    run_experiment(load_config("quickstart", SMALL).config, "first")
    run = stopped("second", *settings)
    weights = Path("runs/first/0/weights.safetensors")
    kept = weights.read_bytes()
    expected = {key: [compute_checksum(load_file(weights))]}
    assert run.read_json("environment.json")["sha256"] == expected
    train_again("first", seed=1)
    with pytest.raises(UsageError, match=f"was begun with other weights of {key}"):
        resume_runs([run.folder])
    with pytest.raises(UsageError, match=f"was begun with other weights of {key}") as refused:
        run_experiment(run.config, "second", resume=True)
    assert refused.value.path == tuple(key.split("."))
    weights.write_bytes(kept)
    resume_runs([run.folder])
    assert run.finished


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "mnist"}, "was begun on mnist and cannot continue with mnist-sample"),
        ({"md5": {"mnist_data": "0" * 32}}, "another mnist_data of mnist-sample: its MD5 sum was"),
    ],
)
def test_other_images_than_a_run_was_begun_on_are_refused(
    elsewhere: Path, change: dict[str, object], message: str
) -> None:
    run = stopped("run")
    environment = run.read_json("environment.json")
    assert environment["sha256"] == {}
    run.write_json("environment.json", environment | change)
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(UsageError, match=message):
        resume_runs([run.folder])
    with pytest.raises(UsageError, match=message):
        run_experiment(run.config, "run", resume=True)
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before
    run.write_json("environment.json", environment)
    resume_runs([run.folder])
    assert run.finished


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:secret@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("--storage=mysql://me:se@cr/et:@host/db", "--storage=mysql://me:***@host/db"),
        ("redis://:secret@host", "redis://:***@host"),
        (
            "postgresql://host/db?user=me&password=secret",
            "postgresql://host/db?user=me&password=***",
        ),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        ("augment=[{kind: affine}]", "augment=[{kind: affine}]"),
    ],
)
def test_passwords_of_urls_are_redacted(
    url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redact_passwords(url) == shown
    monkeypatch.setattr(sys, "argv", ["lenet", "sweep", "quickstart", "--storage", url])
    told = describe_environment(torch.device("cpu"), load_dataset("mnist-sample"), {})
    assert told["command"][-1] == shown
