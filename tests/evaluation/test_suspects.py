"""Images whose label networks doubt."""

from pathlib import Path

import pytest
import torch

from lenet.config.load import load_config
from lenet.data.datasets import Dataset, Split
from lenet.data.splits import make_splits
from lenet.evaluation.ensemble import Opinions
from lenet.evaluation.evaluate_runs import suspect_runs
from lenet.evaluation.suspects import LISTED, Suspects
from lenet.runs.run import Run
from lenet.training.train import train

CPU = torch.device("cpu")


def suspects(files: list[str] | None = None, split: str = "test") -> Suspects:
    """Five images by two networks: 0 right, 1 a bit wrong, 2 very, 3 right in the mean, 4 wrong."""
    one = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.75, 0.25]])
    two = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0], [0.9, 0.1], [0.75, 0.25]])
    labels = torch.tensor([0, 0, 0, 0, 1])
    seen = Split(torch.zeros(5, 1, 1, 1, dtype=torch.uint8), labels, ("cat", "dog"))
    opinions = Opinions(["a", "b"], torch.stack([one, two]), seen, {})
    return Suspects(opinions, split, torch.tensor([7, 8, 2, 3, 1]), files)


def test_the_least_probable_label_comes_first() -> None:
    # Means of the labels' probabilities: 0.05 of image 2, 0.25 of image 4, 0.45 of image 1.
    assert suspects().indices.tolist() == [2, 4, 1]
    found = suspects().as_dicts()
    assert [each["index"] for each in found] == [2, 1, 8]
    assert [each["label"] for each in found] == ["cat", "dog", "cat"]
    assert [each["prediction"] for each in found] == ["dog", "cat", "dog"]
    assert found[0]["probability/label"] == pytest.approx(0.05)
    assert found[0]["probability/prediction"] == pytest.approx(0.95)


def test_pictures_are_named_by_their_paths() -> None:
    table = suspects([f"pets/{place}.png" for place in range(9)], "train").table()
    assert [row[0] for row in table.rows] == ["pets/2.png", "pets/1.png", "pets/8.png"]
    assert table.rows[0][1:] == ["cat", "dog", "5.00", "95.00"]
    assert table.notes[0] == "3 images of 5 look more like another class"
    assert "by heart" in table.notes[1]
    assert LISTED >= 3


@pytest.fixture
def run(sample: Dataset, tmp_path: Path) -> Run:
    settings = ["data.validation=200", "data.train_size=300", "train.epochs=1"]
    settings += ["evaluate.pictures=false", "data.name=mnist-sample", "data.distorted_copies=1"]
    settings += ["data.distort=[{RandomRotation: {degrees: 5}}]"]
    config = load_config("quickstart", settings).config
    run = Run.create("small", config, tmp_path)
    run.write_json("environment.json", {})
    train(config, [run], make_splits(sample, config, CPU), CPU)
    return run


def test_indices_are_those_of_the_datasets_files(run: Run, sample: Dataset) -> None:
    for split, source in (("validation", sample.train), ("test", sample.test)):
        found = suspect_runs([str(run.folder)], split, "cpu")
        assert torch.equal(source.images[found.places], found.opinions.split.images)
    found = suspect_runs([str(run.folder)], "train", "cpu")
    assert len(found.places) == 600
    assert torch.equal(sample.train.images[found.places[:300]], found.opinions.split.images[:300])
    assert torch.equal(sample.train.labels[found.places], found.opinions.labels)
