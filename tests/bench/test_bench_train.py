"""Training speed: what is measured beside what, on few images."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lenet.bench import train
from lenet.bench.measurement import Row
from lenet.cli import app
from lenet.data.datasets import Dataset, Split
from lenet.data.idx import read_idx
from lenet.data.splits import Splits
from lenet.training import fused

LOADERS = [train.LOADER.format(workers) for workers in (0, 2)]


def test_ratios_are_to_the_row_that_others_are_measured_by() -> None:
    groups = {
        "LeNet-5": [
            Row(train.OURS, [90.0, 900.0]),
            Row(train.BARE, [100.0, 1000.0]),
            Row(LOADERS[0], [20.0, 200.0]),
            Row(LOADERS[1], [30.0, 300.0]),
        ],
        "compact": [Row(train.KERNELS, [3.0]), Row(train.TORCH, [2.0])],
    }
    tables = train.tables(groups)
    assert [table.headings[0] for table in tables] == ["LeNet-5", "compact"]
    ratios = [[row[-1] for row in table.rows] for table in tables]
    assert ratios == [["0.90", "1.00", "0.20", "0.30"], ["1.50", "1.00"]]
    assert "is 4 times and 3 times as fast" in tables[0].markdown()  # by round, 90 / 20 = 4.5


def few_test_images(splits: Splits) -> Splits:
    return replace(splits, test=splits.test.take(torch.arange(100)))


def test_the_command_measures_all_ways_of_training(
    mnist: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "IMAGES", 256)
    monkeypatch.setattr(train, "SEEDS", 2)
    monkeypatch.setattr(fused, "missing", lambda: "a test with time to compile")
    make_splits = train.make_splits
    monkeypatch.setattr(train, "make_splits", lambda *given: few_test_images(make_splits(*given)))
    loop = train._torchvision_loop
    loaded = train.loaded
    # Workers that are forked from a test process whose coverage is measured end at once.
    monkeypatch.setattr(train, "_torchvision_loop", lambda root, workers: loop(root, 0))
    monkeypatch.setattr(
        train, "loaded", lambda pictures, workers, *rest: loaded(pictures, 0, *rest)
    )
    monkeypatch.setattr("lenet.bench.augment.LOADER_SECONDS", 0.1)
    result = CliRunner().invoke(app, ["bench", "train", "--rounds", "1", "--json"])
    assert result.exit_code == 0, result.output
    groups = json.loads(result.stdout)
    assert {name: [row["name"] for row in rows] for name, rows in groups.items()} == {
        "LeNet-5": [train.OURS, train.BARE, *LOADERS],
        "LeNet-5 with batch norm": [train.OURS, train.BARE],
        "affine and elastic": [train.OURS, train.UNDISTORTED, *LOADERS],
        "five seeds": [train.AT_ONCE, train.ALONE],
    }
    assert all(
        row["median"] > 0 and row["rounds"] == [row["median"]]
        for rows in groups.values()
        for row in rows
    )


def test_the_bare_loop_learns_from_every_image_once(sample: Dataset) -> None:
    split = sample.train.take(torch.arange(200))
    assert train._bare_loop(Split(split.images, split.labels, split.classes)) == 200


def test_the_files_that_torchvision_reads_are_the_same_ones_decompressed(
    mnist: Dataset, tmp_path: Path
) -> None:
    root = train._torchvision_root(Path(mnist.source), tmp_path)
    labels, _ = read_idx(root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte")
    assert torch.equal(labels.long(), mnist.test.labels)
    assert len(list((root / "MNIST" / "raw").iterdir())) == 4
