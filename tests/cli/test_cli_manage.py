"""Configs and datasets on the command line: shown, explained, listed, drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from lenet.cli import app
from lenet.data.sources import SAMPLE, SOURCES


def lenet(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result


def test_show_prints_every_key_and_where_it_was_written() -> None:
    shown = json.loads(lenet("config", "show", "quickstart", "--json").stdout)
    assert shown["model"]["kind"] == "lenet5-modern"
    origins = lenet("config", "show", "quickstart", "--set", "train.epochs=7", "--origins").stdout
    assert "train.epochs: 7  # --set train.epochs=7" in origins
    assert "seed: 0  # default" in origins
    assert "train:\n" in lenet("config", "show", "quickstart").stdout


def test_the_schema_and_the_list_of_configs_are_json() -> None:
    assert "model" in json.loads(lenet("config", "schema").stdout)["properties"]
    assert json.loads(lenet("config", "list", "--json").stdout)["quickstart"]


def test_the_datasets_are_listed_with_where_they_lie(elsewhere: Path) -> None:
    rows = {row["name"]: row for row in json.loads(lenet("data", "list", "--json").stdout)}
    assert rows.keys() == {*SOURCES, SAMPLE}
    assert rows["mnist"]["found"] is None
    assert "not here" in lenet("data", "list").stdout


def test_the_sample_is_not_fetched_but_verified() -> None:
    assert "scripts/install sample" in lenet("data", "fetch", SAMPLE).stderr
    assert "as published" in lenet("data", "verify", SAMPLE).stdout


def test_an_unknown_dataset_is_refused_with_those_there_are() -> None:
    refused = lenet("data", "fetch", "mnsit", code=2)
    assert "mnsit" in refused.stderr and "mnist" in refused.stderr


@pytest.mark.parametrize("command", ["figures", "augment"])
def test_figures_and_augmentations_are_listed(command: str) -> None:
    listed = lenet(command)
    assert {"figures": "confusion", "augment": "RandomAffine"}[command] in listed.stdout


def test_filters_are_drawn_on_a_picture_of_any_size(elsewhere: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    Image.fromarray(pixels).save("picture.png")
    assert lenet("filters", "picture.png").stdout.split() == ["filters.png", "padding.png"]
    assert all(np.asarray(Image.open(name)).std() > 10 for name in ("filters.png", "padding.png"))


def test_compare_prints_errors_with_accuracy_and_mcnemars_p(elsewhere: Path) -> None:
    small = ["--set", "data.name=mnist-sample", "--set", "data.train_size=200", "--device", "cpu"]
    small += ["--set", "train.epochs=1", "--set", "evaluate.pictures=false", "--name", "small"]
    lenet("train", "modern/plain", *small, "--seeds", "2")
    compared = lenet("compare", "runs/small/0", "runs/small/1", "--device", "cpu").stdout
    assert "1,000  accuracy  seeds" in compared
    assert "McNemar's exact p = " in compared
    arguments = ("compare", "runs/small", "--device", "cpu", "--json")
    assert json.loads(lenet(*arguments).stdout)["errors"].keys() == {"runs/small/0", "runs/small/1"}
    together = lenet("evaluate", "runs/small", "--ensemble", "--device", "cpu").stdout
    assert "one network alone" in together
    calibrated = lenet("evaluate", "runs/small", "--reliability", "--device", "cpu", "--json")
    assert json.loads(calibrated.stdout).keys() == {"runs/small/0", "runs/small/1"}
    figures = lenet("figures", "runs/small/0", "confusion", "--to", ".")
    assert figures.stdout.split() == ["confusion.png"]


def test_a_config_of_own_pictures_is_checked_on_them(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere / "cache"))
    for name, level in (("a", 50), ("b", 200)):
        (elsewhere / "letters" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (40, 30), level + i).save(f"letters/{name}/{i}.png")
    checked = lenet("config", "validate", "letters")
    assert "2 classes: a, b; 8 training, 2 test images, 32×32, grey" in checked.stderr
    assert checked.stdout == "letters is well-formed\n"
    mine = ("pictures", "--set", "data.path=letters", "--set")
    assert "Linear" in lenet("summary", *mine, "train.epochs=3").stdout
    refused = {
        "data.validation=9": "data.validation: 9 images cannot be taken from 8",
        "data.validation=8": "data.validation: all 8 images are taken",
        "data.classes=[a, c]": "letters has other classes",
        "data.path=numbers": "there is no numbers; name your data with --set data.path=FOLDER",
    }
    for change, complaint in refused.items():
        assert complaint in lenet("config", "validate", *mine, change, code=2).stderr
