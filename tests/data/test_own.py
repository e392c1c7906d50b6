"""A config takes classes, channels, size and grey levels from its images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.data.datasets import Dataset, Split
from lenet.data.own import complete, is_complete, load_images, measure
from lenet.data.preprocessing import LEVELS, Preprocessing
from lenet.errors import DataError, UsageError
from lenet.runs.run import Run
from lenet.training.environment import check_origin


def make_pictures(folder: Path, classes: str = "xyz", n: int = 10) -> Path:
    """Draw stripes whose direction is the class, in colour, of any size."""
    draw = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            y, x = np.mgrid[0 : 20 + i, 0:30]
            stripes = np.stack([(x, y, x + y)[label] // 3 % 2 * 200] * 3, axis=2)
            noisy = stripes + draw.integers(0, 50, stripes.shape)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_mean_and_deviation_are_those_of_the_pixels_worked_out_by_hand() -> None:
    images = torch.zeros(2, 2, 1, 2, dtype=torch.uint8)
    images[:, 0] = torch.tensor([[0, 255]])  # mean ½, deviation ½
    images[1, 1] = 51  # 0, 0, 0.2, 0.2: mean 0.1, deviation 0.1
    assert measure(Split(images, torch.tensor([0, 1]))) == ([0.5, 0.1], [0.5, 0.1])
    black = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    assert measure(Split(black, torch.tensor([0]))) == ([0.0], [0.01])


def test_colours_are_standardized_each_by_itself() -> None:
    prepare = Preprocessing("standard", 4, mean=[0.5, 0.1, 0.2], std=[0.5, 0.1, 0.4])
    images = torch.tensor([0.5, 0.3, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    prepared = prepare(images)
    torch.testing.assert_close(prepared[0, :, 1, 1], torch.tensor([0.0, 2.0, 2.0]))
    torch.testing.assert_close(prepared[0, :, 0, 0], torch.tensor([-1.0, -1.0, -0.5]))  # frame
    assert Preprocessing("standard", 28).levels.tolist() == [list(LEVELS["standard"])]


def test_mnist_keeps_its_constants_and_others_are_measured() -> None:
    config = load_config("modern/plain").config
    assert is_complete(config)
    other = load_config("modern/plain", ["data.name=fashion-mnist"]).config
    assert not is_complete(other)
    images = torch.zeros(10, 1, 28, 28, dtype=torch.uint8)
    images[:5] = 255
    split = Split(images, torch.arange(10))
    found = complete(other, Dataset("fashion-mnist", split, split, "test"))
    assert (found.input.mean, found.input.std) == ([0.5], [0.5])
    assert is_complete(found)
    assert complete(found, Dataset("fashion-mnist", split, split, "test")) == found


def test_own_files_are_looked_at_until_classes_size_and_channels_are_known() -> None:
    changes = ["data.name=files", "data.path=x", "data.classes=[a, b]", "input.levels=unit"]
    assert not is_complete(load_config("modern/plain", changes).config)
    changes += ["data.size=28", "data.channels=1"]
    assert is_complete(load_config("modern/plain", changes).config)


def test_the_validation_images_are_not_measured() -> None:
    config = load_config(
        "modern/plain",
        ["data.name=kmnist", "data.validation=5", "data.validation_split=tail"],
    ).config
    images = torch.zeros(10, 1, 28, 28, dtype=torch.uint8)
    images[5:] = 255
    split = Split(images, torch.arange(10))
    assert complete(config, Dataset("kmnist", split, split, "test")).input.mean == [0.0]


def test_own_files_need_a_path_and_a_path_needs_that_name() -> None:
    with pytest.raises(UsageError, match=r"your own files need data\.path"):
        load_config("modern/plain", ["data.name=files"])
    with pytest.raises(UsageError, match=r"set data\.name=files, not mnist"):
        load_config("modern/plain", ["data.path=letters"])


def test_other_classes_than_the_networks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_pictures(tmp_path / "set", "xy")
    settings = load_config(folder, ["data.classes=[v, x]"]).config.data
    with pytest.raises(DataError, match="v missing and y new"):
        load_images(settings)


def test_a_stranger_trains_on_a_folder_and_reads_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_pictures(tmp_path / "stripes")
    runs = tmp_path / "runs"
    changes = ["--set", "train.epochs=12", "--set", "train.batch_size=8", "--name", "stripes"]
    done = CliRunner().invoke(app, ["train", str(folder), *changes, "--runs", str(runs)])
    assert done.exit_code == 0, done.output
    assert "holds your own images: training with the config pictures" in done.stderr
    assert "3 classes: x, y, z; 24 training, 6 test images, 32×32, colour" in done.stderr
    run = Run.open(runs / "stripes" / "0")
    assert run.config.data.classes == ["x", "y", "z"]
    assert (run.config.data.channels, run.config.data.size) == (3, 32)
    assert len(run.config.input.mean or []) == 3
    assert run.read_json("result.json")["errors/test"] <= 2
    picture = folder / "y" / "3.png"
    done = CliRunner().invoke(
        app, ["predict", str(run.folder), str(picture), "--json"], catch_exceptions=False
    )
    assert json.loads(done.stdout)[0]["class"] == "y"
    done = CliRunner().invoke(app, ["scan", str(run.folder), str(picture)])
    assert done.exit_code == 2 and "learned whole pictures" in done.stderr
    done = CliRunner().invoke(app, ["evaluate", str(run.folder)])
    assert "x" in done.stdout and "z" in done.stdout
    # Other pictures under the same name are not what it was trained on.
    make_pictures(tmp_path / "other" / "stripes", n=11)
    changed = load_images(run.config.data, tmp_path / "other" / "stripes")
    with pytest.raises(UsageError, match="was begun with another stripes of stripes"):
        check_origin(run, changed, {})
