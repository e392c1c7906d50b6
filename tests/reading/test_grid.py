"""Ruled grids are found in photographs, and their cells read."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawings import draw_grid
from PIL import Image
from typer.testing import CliRunner

from lenet.cli import app
from lenet.data.pictures import PictureError
from lenet.errors import UsageError
from lenet.reading.grid import _enclose, cut_cells, find_grid, parse_shape, scan_grid
from lenet.reading.predict import load_ensemble

NAME = "published:handwriting"
TEXT = "7..2\n.5.3\n46.."


@pytest.mark.parametrize("seed", range(3))
def test_filled_cells_are_read_and_blank_ones_are_blank(seed: int) -> None:
    scan = scan_grid(load_ensemble(NAME), draw_grid(seed, TEXT), (3, 4))
    assert scan.text() == TEXT
    assert scan.crossings.shape == (4, 5, 2)
    blank = scan.lines[0][1]
    assert (blank.digit, blank.as_dict()["probability"]) == (None, None)


def test_a_page_on_its_side_or_light_on_dark_is_read_too() -> None:
    ensemble, page = load_ensemble(NAME), draw_grid(1, TEXT)
    assert scan_grid(ensemble, 255 - page, (3, 4)).text() == TEXT
    for turn in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(page, turn))
        assert scan_grid(ensemble, turned, (3, 4)).text() == TEXT


def test_an_empty_grid_is_blank_whatever_its_paper_s_grain() -> None:
    empty = "....\n....\n...."
    assert scan_grid(load_ensemble(NAME), draw_grid(4, empty), (3, 4)).text() == empty


@pytest.mark.parametrize("shape", [(3, 3), (4, 4), (6, 8)])
def test_a_grid_of_other_rows_and_columns_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="no ruled grid of"):
        find_grid(draw_grid(1, TEXT), shape)


def test_the_crossings_lie_on_the_lines() -> None:
    page = np.full((200, 200, 1), 255, dtype=np.uint8)
    page[40:161:40, 40:161] = page[40:161, 40:161:40] = 0
    expected = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1) * 40 + 40
    assert np.abs(find_grid(page, (3, 3)) - expected).max() < 1.5


def test_ink_is_cut_out_to_its_own_box() -> None:
    page = np.full((120, 60, 3), 255, dtype=np.uint8)
    page[20:40, 25:35] = 0
    nodes = np.array([[(0.0, 0.0), (60, 0)], [(0, 60), (60, 60)], [(0, 120), (60, 120)]])
    inks = cut_cells(page, nodes)
    assert inks[1, 0] is None
    assert np.abs(np.array(inks[0, 0].shape) - (20, 10)).max() <= 1


def test_a_hull_shrinks_to_the_quadrilateral_around_it() -> None:
    square = [(0, 0), (10, 0), (10, 10), (0, 10)]
    cut = np.array([(0, 1), (1, 0), *square[1:]], dtype=float)  # one corner is torn off
    np.testing.assert_allclose(_enclose(cut), square, atol=1e-9)
    assert _enclose(np.array(square[:3], dtype=float)) is None


def test_shapes_are_checked() -> None:
    assert parse_shape("9X4") == (9, 4)
    with pytest.raises(UsageError, match="expected rows and columns, such as 9x9"):
        parse_shape("9")
    with pytest.raises(UsageError, match="from 1 to 40"):
        parse_shape("9x0")


def test_the_command_reads_a_grid_and_draws_it(tmp_path: Path) -> None:
    page, shown = tmp_path / "page.png", tmp_path / "read.png"
    Image.fromarray(draw_grid(1, TEXT)).save(page)
    words = ["scan", NAME, str(page), "--grid", "3x4"]
    result = CliRunner().invoke(app, [*words, "--show", str(shown), "--json"])
    assert result.exit_code == 0, result.output
    (read,) = json.loads(result.stdout)
    assert [line["text"] for line in read["lines"]] == TEXT.split("\n")
    assert [digit["digit"] for digit in read["lines"][0]["digits"]] == [7, None, None, 2]
    assert np.asarray(Image.open(shown)).std() > 10
    result = CliRunner().invoke(app, [*words, "--way", "convolution"])
    assert result.exit_code == 2
    assert "leave out --way" in result.stderr
