"""Lines of digits are read from left to right, pages from top to bottom."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawings import count_right, write_string
from PIL import Image
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.pictures import PictureError
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier
from lenet.reading.predict import load_ensemble
from lenet.reading.scan import (
    Found,
    Scan,
    order_lines,
    run_convolution,
    scan_convolution,
    scan_marks,
)

NAME = "published:handwriting/0"


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern"])
def test_the_class_map_is_the_network_at_every_place(kind: str) -> None:
    values = ["model.kind=lenet5", "loss.kind=mse"] if kind == "lenet5" else []
    classifier = build_classifier(load_config("modern/plain", values).config)
    page = torch.rand(1, 1, 60, 72, generator=torch.Generator().manual_seed(0))
    class_map = run_convolution(classifier, page)
    for y, x in ((4, 5), (8, 9)):  # the 28 × 28 pixels around (4 y, 4 x), inside a 32 × 32 field
        seen = page[:, :, 4 * y - 16 : 4 * y + 16, 4 * x - 16 : 4 * x + 16]
        shown = seen * (classifier.preprocess.full - classifier.preprocess.background)
        outputs = classifier.model(shown + classifier.preprocess.background)
        expected = (-outputs if classifier.outputs == "penalties" else outputs).softmax(dim=1)[0]
        torch.testing.assert_close(class_map[0, :, y, x], expected, atol=1e-5, rtol=1e-4)


def test_lines_go_from_top_to_bottom_and_digits_from_left_to_right() -> None:
    def found(digit: int, top: int, left: int) -> Found:
        return Found(digit, 1.0, (slice(top, top + 20), slice(left, left + 10)))

    page = [found(4, 52, 0), found(2, 6, 20), found(1, 0, 0), found(5, 49, 30), found(3, 3, 40)]
    assert [[f.digit for f in line] for line in order_lines(page)] == [[1, 2, 3], [4, 5]]


def test_a_line_may_slope_by_more_than_its_height() -> None:
    def found(digit: int, line: int) -> Found:
        top = 60 * line + 6 * digit  # 14 degrees
        return Found(digit, 1.0, (slice(top, top + 20), slice(24 * digit, 24 * digit + 12)))

    page = [found(digit, line) for digit in (3, 0, 5, 1, 4, 2) for line in (1, 0)]
    assert [[f.digit for f in line] for line in order_lines(page)] == [[0, 1, 2, 3, 4, 5]] * 2


def test_boxes_are_given_in_the_file_s_pixels() -> None:
    found = Found(7, 0.9, (slice(10, 31), slice(4, 15)))
    assert found.as_dict()["box"] == [4, 10, 15, 31]
    assert found.as_dict(2.5)["box"] == [10, 25, 38, 78]


def test_classes_that_are_no_digits_are_given_by_their_names() -> None:
    box = (slice(0, 9), slice(0, 9))
    line = [Found(1, 0.9, box), Found(None, 1.0, box), Found(0, 0.8, box)]
    assert Scan([line]).text() == "1.0"
    assert Scan([line], classes="ab").text() == "b.a"
    scan = Scan([line], classes=("cat", "dog"))
    assert scan.text() == "dog . cat"
    (page,) = scan.as_dicts()
    assert page["text"] == "dog . cat"
    assert [found["class"] for found in page["digits"]] == ["dog", None, "cat"]
    assert page["digits"][0] == {"class": "dog", "probability": 0.9, "box": [0, 0, 9, 9]}


def test_separated_digits_are_read_in_order(mnist: Dataset) -> None:
    ensemble = load_ensemble(NAME)
    right = 0
    for start in range(0, 200, 5):
        picture, written = write_string(mnist.test, start, gap=[2, 5, 12][start % 3])
        right += count_right(scan_marks(ensemble, picture).text(), written)
    assert right >= 0.97 * 200


def test_the_sliding_network_reads_wide_strings(mnist: Dataset) -> None:
    classifier = load_ensemble(NAME).classifiers[0]
    right = 0
    for start in range(0, 100, 5):
        picture, written = write_string(mnist.test, start, gap=16)
        right += count_right(scan_convolution(classifier, picture).text(), written)
    assert right >= 0.9 * 100


def test_a_speck_on_a_large_page_takes_little_memory_and_too_many_specks_are_refused() -> None:
    classifier = load_ensemble(NAME).classifiers[0]
    picture = np.full((2048, 2048, 1), 255, dtype=np.uint8)
    picture[1000:1006, 1000:1003] = 0
    assert len(scan_convolution(classifier, picture).lines) <= 1  # it took 10 GB once
    picture[10:16, 10:13] = picture[2030:2036, 2030:2033] = 0
    with pytest.raises(PictureError, match="too small for so large a page"):
        scan_convolution(classifier, picture)


def test_networks_that_cannot_slide_and_empty_pages_are_refused() -> None:
    linear = build_classifier(load_config("modern/plain", ["model={kind: linear}"]).config)
    with pytest.raises(UsageError, match="only a LeNet-5 can be applied to a whole page"):
        run_convolution(linear, torch.zeros(1, 1, 40, 40))
    upright = build_classifier(load_config("modern/plain", ["input.upright=true"]).config)
    with pytest.raises(UsageError, match="changes the shape of each digit; use `marks` instead"):
        run_convolution(upright, torch.zeros(1, 1, 40, 40))
    with pytest.raises(PictureError, match="no ink"):
        scan_marks(load_ensemble(NAME), np.full((100, 100, 1), 255, dtype=np.uint8))


def test_lines_that_are_likely_wrong_are_named() -> None:
    box = (slice(0, 1), slice(0, 1))
    sure, unsure = Found(1, 0.9, box), Found(7, 0.6, box)
    # 0.9 · 0.6 = 0.54, 0.6 · 0.6 = 0.36, 0.6 · 0.6 · 0.9 = 0.324
    scan = Scan([[sure, unsure], [unsure, unsure], [sure], [unsure, unsure, sure]])
    assert scan.doubts() == "unsure of line 2 (36 %), line 4 (32 %)"
    assert Scan([[sure], [unsure]]).doubts() == ""
    assert Scan([[sure]], probabilities=[0.25]).doubts() == "unsure of line 1 (25 %)"


def test_the_command_says_what_it_is_unsure_of(mnist: Dataset, tmp_path: Path) -> None:
    picture, _ = write_string(mnist.test, 0, gap=-9)
    page = tmp_path / "page.png"
    Image.fromarray(picture[..., 0]).save(page)
    result = CliRunner().invoke(app, ["scan", "published:line", str(page)])
    assert result.exit_code == 0 and result.stdout.strip().isdigit()
    assert "unsure of line 1 (" in result.stderr


def test_the_command_prints_the_string_and_draws_the_page(mnist: Dataset, tmp_path: Path) -> None:
    picture, written = write_string(mnist.test, 0, gap=6)
    page = tmp_path / "page.png"
    Image.fromarray(picture[..., 0]).save(page)
    shown = tmp_path / "read.png"
    result = CliRunner().invoke(app, ["scan", NAME, str(page), "--show", str(shown)])
    assert (result.exit_code, result.stdout) == (0, f"{written}\n")
    assert np.asarray(Image.open(shown)).std() > 10
    result = CliRunner().invoke(app, ["scan", NAME, str(page), "--json"])
    (read,) = json.loads(result.stdout)
    assert read["path"] == str(page)
    (line,) = read["lines"]
    assert line["text"] == written
    assert [found["digit"] for found in line["digits"]] == [int(c) for c in written]
    assert line["probability"] == pytest.approx(
        np.prod([found["probability"] for found in line["digits"]])
    )
    Image.new("L", (100, 100), 255).save(tmp_path / "blank.png")
    shown.unlink()
    result = CliRunner().invoke(app, ["scan", NAME, str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, f"{page}: {written}\n")
    assert "blank.png: no ink" in result.stderr
    assert CliRunner().invoke(app, ["scan", NAME, str(page), "--way", "luck"]).exit_code == 2
