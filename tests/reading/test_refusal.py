"""Letters and scribbles are told as no digit beside networks of the ten digits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawings import render_drawing
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from lenet.cli import app
from lenet.data.pictures import Picture
from lenet.data.sources import SOURCES
from lenet.evaluation.classifier import Ensemble
from lenet.reading import refusal
from lenet.reading.digitize import Digit
from lenet.reading.lines import scan_lines
from lenet.reading.predict import Reading, load_ensemble, read_digits
from lenet.reading.refusal import share_other
from lenet.reading.scan import Found, scan_marks

STROKES = {
    "A": [(20, 80), (50, 15), (80, 80), (66, 55), (34, 55)],
    "M": [(15, 80), (20, 15), (50, 60), (80, 15), (85, 80)],
    "star": [(20, 80), (50, 10), (80, 80), (10, 35), (90, 35), (20, 80)],
    "1": [(50, 15), (50, 85)],
    "7": [(20, 15), (80, 15), (45, 85)],
}


def draw(name: str) -> Picture:
    """A picture (100, 100, 1) of strokes, dark on light."""
    page = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(page).line(STROKES[name], fill=0, width=7, joint="curve")
    return np.asarray(page)[..., None]


@pytest.fixture(scope="module")
def network() -> Ensemble:
    return load_ensemble("published:handwriting")


@pytest.mark.parametrize(("name", "digit"), [("A", None), ("M", None), ("1", 1), ("7", 7)])
def test_a_letter_is_no_digit_and_a_digit_is_one(
    name: str, digit: int | None, network: Ensemble
) -> None:
    (reading,) = read_digits(network, [draw(name)])
    assert reading.digit == digit and reading.is_other == (digit is None)
    assert sum(reading.probabilities) + reading.no_digit == pytest.approx(1, abs=1e-5)


def test_the_answer_names_the_nearest_digit() -> None:
    seen = Digit(np.zeros((28, 28), np.float32), (slice(0, 28), slice(0, 28)), others=0)
    shares = (0.0, 0.0, 0.0, 0.0, 0.03, 0.0, 0.0, 0.0, 0.0, 0.01)
    reading = Reading(Path("a.png"), seen, shares, "no digit", no_digit=0.96)
    assert reading.describe(0.9) == "a.png: no digit  (96.0 %, nearest 4)"
    assert reading.as_dict(0.9) == {
        "path": "a.png",
        "digit": None,
        "probability": 0.96,
        "runner_up": 4,
        "runner_up_probability": 0.03,
        "sure": True,
        "other_marks": 0,
    }
    doubtful = replace(reading, probabilities=(*shares[:4], 0.39, *shares[5:]), no_digit=0.6)
    assert str(doubtful) == "a.png: 4?  (39.0 %, or no digit 60.0 %)"


def test_letters_stand_as_question_marks_on_a_page(network: Ensemble, tmp_path: Path) -> None:
    page = np.concatenate([draw("7"), draw("A"), draw("1")], axis=1)
    found = scan_marks(network, page)
    assert found.text() == "7?1"
    (line,) = found.as_dicts()
    assert [one["digit"] for one in line["digits"]] == [7, None, 1]
    assert line["digits"][1]["probability"] >= 0.8
    Image.fromarray(page[..., 0]).save(tmp_path / "page.png")
    command = ["scan", "published:handwriting", str(tmp_path / "page.png")]
    result = CliRunner().invoke(app, [*command, "--show", str(tmp_path / "read.png")])
    assert result.stdout == "7?1\n" and (tmp_path / "read.png").exists()


@pytest.mark.parametrize(
    ("names", "text"), [(("A", "A", "A"), "???"), (("1", "7", "A", "7"), "1747")]
)
def test_a_line_of_letters_is_none_of_digits_and_a_letter_among_digits_is_one(
    names: tuple[str, ...], text: str
) -> None:
    lines = load_ensemble("published:line", lines=True)
    page = scan_lines(lines, np.concatenate([draw(name) for name in names], axis=1))
    assert page.text() == text
    assert [found.box[1].start // 100 for found in page.lines[0]] == list(range(len(names)))


def test_a_letter_is_an_answer_not_a_failure(tmp_path: Path) -> None:
    Image.fromarray(draw("A")[..., 0]).save(tmp_path / "a.png")
    (tmp_path / "3.png").write_bytes(render_drawing(3).data)
    table, shown = tmp_path / "out.csv", tmp_path / "seen.svg"
    command = ["predict", "published:handwriting", str(tmp_path / "a.png")]
    result = CliRunner().invoke(app, [*command, "--csv", str(table), "--show", str(shown)])
    assert result.exit_code == 0 and f"{tmp_path / 'a.png'}: no digit  (" in result.stdout
    assert ",no digit," in table.read_text()
    result = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(result.stdout)[0]["digit"] is None


def test_blank_cells_and_other_marks_have_different_signs() -> None:
    box = (slice(0, 4), slice(0, 4))
    blank, other = Found(None, 1.0, box), Found(None, 0.95, box, is_other=True)
    assert [blank.name(), other.name()] == [".", "?"]
    assert [blank.as_dict()["probability"], other.as_dict()["probability"]] == [None, 0.95]


@pytest.mark.parametrize("name", ["emnist-letters", "fashion-mnist", "svhn"])
def test_networks_of_other_classes_and_of_whole_pictures_are_not_asked(name: str) -> None:
    assert share_other(torch.rand(3, 28, 28), SOURCES[name]).tolist() == [0, 0, 0]


def test_without_that_network_every_mark_is_a_digit(
    network: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal, "NAME", "published:never-trained")
    refusal._load.cache_clear()
    try:
        (reading,) = read_digits(network, [draw("A")])
    finally:
        refusal._load.cache_clear()
    assert reading.digit is not None and reading.no_digit == 0
