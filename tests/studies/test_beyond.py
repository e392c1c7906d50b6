"""Published networks read other people's digits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lenet.studies.beyond import BEYOND
from lenet.studies.study import collect


def test_each_set_that_is_there_is_a_column_and_the_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LENET_DATA")
    monkeypatch.chdir(tmp_path)
    stroke = np.full((100, 100), 255, dtype=np.uint8)
    stroke[20:80, 48:54] = 0
    folder = tmp_path / "handwriting"
    folder.mkdir()
    for name in ("one.png", "other.png"):
        Image.fromarray(stroke).save(folder / name)
    Image.new("L", (100, 100), 255).save(folder / "blank.png")
    labels = "file\tlabel\none.png\t1\nother.png\t7\nblank.png\t1\n"
    (folder / "labels.tsv").write_text(labels)
    said: list[str] = []
    rows = tuple(row for row in BEYOND.rows if row.name == "handwriting")
    study = BEYOND.complete(replace(BEYOND, rows=rows), tmp_path, said.append)
    measured = collect(study, tmp_path / "runs")
    lines = study.table(measured).markdown().splitlines()
    assert lines[0] == "| wrong, % | MNIST | photographs |"
    assert lines[2] == "| handwriting | 0.51 | 66.7 |"
    assert "photographs: 3 digits (handwriting)." in lines
    assert any(line.startswith("USPS: skipped, no usps/") for line in lines)
    (row,) = study.as_dicts(measured)
    assert row["photographs"] == {"wrong": [2], "n": 3}
    assert said == ["photographs: handwriting"]  # it is read once
