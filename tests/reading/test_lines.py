"""Lines are found on a page, and read as a whole."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from drawings import write_string
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from lenet.cli import app
from lenet.data.datasets import Dataset
from lenet.data.pictures import PictureError
from lenet.evaluation.classifier import Ensemble
from lenet.reading.digitize import group_marks, is_in_column
from lenet.reading.ink import find_strokes
from lenet.reading.lines import (
    LineReading,
    find_lines,
    read_line,
    scan_lines,
    take_strip,
)
from lenet.reading.predict import load_ensemble
from lenet.reading.scan import Found

NAME = "published:line"


def test_lines_are_found_with_their_slope_and_height() -> None:
    page = np.zeros((200, 300), dtype=np.float32)
    for k in range(6):  # a line that falls by 2 rows per 40 columns
        page[30 + 2 * k : 50 + 2 * k, 20 + 40 * k : 30 + 40 * k] = 1
        page[130:150, 20 + 40 * k : 30 + 40 * k] = 1
    first, second = find_lines([box for box, _ in group_marks(page, is_in_column)])
    assert first.slope == pytest.approx(2 / 40) and second.slope == pytest.approx(0)
    assert (first.left, first.right) == pytest.approx((20, 230), abs=2)
    assert second.middle == pytest.approx(140, abs=1) and second.body == pytest.approx(20, abs=2)


def test_a_strip_is_one_line_as_high_as_its_ink() -> None:
    strip = np.zeros((40, 100), dtype=np.float32)
    strip[10:30, 20:80] = 1
    line = take_strip(strip)
    assert (line.left, line.right, line.slope) == (0, 100, 0)
    assert line.middle == pytest.approx(20, abs=1) and line.body == pytest.approx(20, abs=2)


@pytest.fixture(scope="module")
def network() -> Ensemble:
    return load_ensemble(NAME, lines=True)


@pytest.mark.parametrize(("gap", "least"), [(0, 8), (-3, 7)])
def test_digits_that_touch_and_overlap_are_read(
    network: Ensemble, sample: Dataset, gap: int, least: int
) -> None:
    strings = [write_string(sample.train, first, gap) for first in range(0, 4000, 400)]
    assert sum(scan_lines(network, picture).text() == text for picture, text in strings) >= least


class Watched:
    """A network that notes how many views it is shown at a time."""

    def __init__(self, network: Ensemble) -> None:
        self.network, self.views = network, list[int]()
        self.classifiers = network.classifiers

    def __call__(self, lines: Tensor) -> Tensor:
        self.views.append(len(lines))
        return self.network(lines)


def spell(reading: LineReading) -> str:
    """The digits that were read."""
    return "".join(str(found.digit) for found in reading.digits)


def test_a_line_that_is_not_sure_is_read_in_more_views(network: Ensemble, sample: Dataset) -> None:
    picture, text = write_string(sample.train, 800, 4)
    strokes = find_strokes(picture)
    noise = np.random.default_rng(0).random(strokes.shape, dtype=np.float32)
    for ink, views in ((strokes, [3]), (noise, [3, 15])):
        watched = Watched(network)
        reading = read_line(cast(Ensemble, watched), [(ink, take_strip(strokes))])
        assert watched.views == views
        assert (reading is not None and spell(reading) == text) == (views == [3])


def test_a_line_may_be_found_in_several_ways(network: Ensemble, sample: Dataset) -> None:
    picture, text = write_string(sample.train, 800, 4)
    strokes = find_strokes(picture)
    whole = take_strip(strokes)
    ways = [replace(whole, right=whole.right // 2), whole, replace(whole, body=1.1 * whole.body)]
    reading = read_line(network, [(strokes, way) for way in ways])
    assert reading is not None and spell(reading) == text


def stand(found: Found) -> tuple[float, float]:
    """The middle of a digit, row and column."""
    rows, columns = found.box
    return (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2


@pytest.mark.parametrize("turn", [0, 1, 3])
def test_a_page_of_two_lines_is_read_whichever_way_it_lies(
    network: Ensemble, sample: Dataset, turn: int
) -> None:
    lines = [write_string(sample.train, first, 4) for first in (800, 2000)]
    width = max(picture.shape[1] for picture, _ in lines)
    page = np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), "edge") for p, _ in lines]
    )
    scan = scan_lines(network, np.ascontiguousarray(np.rot90(page, -turn)))
    assert scan.text() == "\n".join(text for _, text in lines)
    assert scan.probabilities is not None and min(scan.probabilities) > 0.5
    for line in scan.lines:  # boxes stand where the digits stand on the page as it lies
        first, last = stand(line[0]), stand(line[-1])
        along = {0: last[1] - first[1], 1: last[0] - first[0], 3: first[0] - last[0]}[turn]
        assert along > 0.5 * width


def test_an_empty_page_has_no_digits(network: Ensemble) -> None:
    with pytest.raises(PictureError, match="no ink"):
        scan_lines(network, np.full((100, 300, 1), 255, dtype=np.uint8))


def test_scan_gives_strings_with_probabilities_and_boxes(sample: Dataset, tmp_path: Path) -> None:
    picture, text = write_string(sample.train, 800, 4)
    path = tmp_path / "line.png"
    Image.fromarray(picture[..., 0]).save(path)
    result = CliRunner().invoke(app, ["scan", NAME, str(path), "--json"])
    (page,) = json.loads(result.stdout)
    (line,) = page["lines"]
    assert line["text"] == text and 0.5 < line["probability"] <= 1
    lefts = [digit["box"][0] for digit in line["digits"]]
    assert lefts == sorted(lefts) and len(lefts) == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["scan", "published:handwriting/0", "--way", "line"], "reads single digits"),
        (["scan", NAME, "--way", "marks"], "reads lines, not single images"),
        (["scan", NAME, "--way", "convolution"], "reads lines, not single images"),
        (["predict", NAME], "reads lines, not single images"),
    ],
)
def test_a_network_reads_what_it_learned(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.png"
    Image.new("L", (40, 40)).save(path)
    result = CliRunner().invoke(app, [*arguments[:2], str(path), *arguments[2:]])
    assert result.exit_code == 2 and complaint in " ".join(result.stderr.split())
