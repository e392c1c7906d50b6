"""Published networks read other people's digits."""

import json
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
    monkeypatch.delenv("LENET_DATA", raising=False)
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


def test_a_network_that_reads_lines_reads_lines_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENET_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "orand-car-a" / "images"
    images.mkdir(parents=True)
    strokes = np.full((60, 160), 255, dtype=np.uint8)
    strokes[15:45, 40:44] = strokes[15:45, 70:74] = 0
    names = ("eleven.png", "other.png", "blank.png")
    for name in names:
        Image.fromarray(strokes if name != "blank.png" else strokes[:, :30]).save(images / name)
    content = {
        "categories": [{"id": 7, "name": "1"}, {"id": 8, "name": "4"}],
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [
            {"image_id": n, "bbox": [x, 0, 9, 9], "category_id": 8 if n == 1 else 7}
            for n in range(3)
            for x in (40, 70)
        ],
    }
    (images.parent / "boxes.json").write_text(json.dumps(content))
    digit = tmp_path / "handwriting"
    digit.mkdir()
    Image.fromarray(strokes[:, :60]).save(digit / "one.png")
    (digit / "labels.tsv").write_text("file\tlabel\none.png\t1\n")
    rows = tuple(row for row in BEYOND.rows if row.name == "line")
    study = BEYOND.complete(replace(BEYOND, rows=rows), tmp_path, lambda line: None)
    measured = collect(study, tmp_path / "runs")
    lines = study.table(measured).markdown().splitlines()
    assert lines[0] == "| wrong, % | MNIST | photographs | cheques |"
    assert lines[2].endswith(" | – | – | 66.7 |")
    (row,) = study.as_dicts(measured)
    assert row["cheques"] == {"wrong": [2], "n": 3} and row["photographs"]["wrong"] == []
