"""Other people's sets are found beside MNIST's folder and read in their documented formats."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lenet.data.written import SETS, Written, find_written
from lenet.errors import DataError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where sets lie; MNIST lies beside it."""
    monkeypatch.setenv("LENET_DATA", str(tmp_path / "mnist"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "beyond"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def found(name: str) -> Written:
    written = find_written(name)
    assert isinstance(written, Written), written
    return written


def test_usps_has_a_label_and_256_values_from_minus_1_to_1_and_its_test_set_is_preferred(
    folder: Path,
) -> None:
    put(folder / "usps/zip.train.gz", " ".join(["7.0000", *["-1.0000"] * 256]) + "\n")
    assert found("usps").texts == ("7",)
    values = np.full((16, 16), -1)
    values[0, :2] = 1  # ink in the upper left
    put(folder / "usps/zip.test.gz", f"3.0 {' '.join(map(str, values.ravel()))} \n" * 2)
    written = found("usps")
    assert (written.texts, written.about) == (("3", "3"), "zip.test")
    picture = written.pictures[0]
    assert picture.shape == (64, 64, 1)
    assert picture[1, 1] > 200
    assert picture[32, 32] == 0


def test_semeion_has_256_pixels_and_a_one_for_the_digit(folder: Path) -> None:
    digit = ["0"] * 10
    digit[4] = "1"
    put(folder / "semeion/semeion.data", " ".join(["1.0000"] * 256 + digit) + " \n")
    written = found("semeion")
    assert written.texts == ("4",)
    assert (written.pictures[0] == 255).all()
    put(folder / "semeion/semeion.data", " ".join(["1.0000"] * 256 + ["0"] * 10))
    with pytest.raises(DataError, match="last ten values must hold a single 1"):
        find_written("semeion")


def test_optdigits_has_64_values_up_to_16_and_the_digit(folder: Path) -> None:
    put(folder / "optdigits/optdigits.tes", ",".join(["16"] * 32 + ["0"] * 32 + ["9"]) + "\n")
    written = found("optdigits")
    assert written.texts == ("9",)
    assert written.pictures[0].shape == (32, 32, 1)
    assert written.pictures[0][:12].min() == 255
    put(folder / "optdigits/optdigits.tes", ",".join(["17"] * 64 + ["9"]))
    with pytest.raises(DataError, match="out of range"):
        find_written("optdigits")
    put(folder / "optdigits/optdigits.tes", "1,2,3\n")
    with pytest.raises(DataError, match="lines of 3 numbers; expected 65"):
        find_written("optdigits")


def test_a_cheque_is_its_boxes_from_left_to_right(folder: Path) -> None:
    content = {
        "categories": [{"id": 0, "name": "7"}, {"id": 5, "name": "1"}],
        "images": [{"id": 9, "file_name": "a.png"}],
        "annotations": [
            {"image_id": 9, "category_id": 5, "bbox": [40, 0, 9, 9]},
            {"image_id": 9, "category_id": 0, "bbox": [8, 0, 9, 9]},
        ],
    }
    put(folder / "orand-car-a/boxes.json", json.dumps(content))
    with pytest.raises(DataError, match=r"names a\.png, which is not there"):
        find_written("cheques")
    (folder / "orand-car-a/images").mkdir()
    Image.new("L", (60, 20)).save(folder / "orand-car-a/images/a.png")
    assert found("cheques").texts == ("71",)
    put(folder / "orand-car-a/boxes.json", "{}")
    with pytest.raises(DataError, match="COCO"):
        find_written("cheques")


def test_photographs_are_named_in_a_table_and_pages_of_several_digits_left_out(
    folder: Path,
) -> None:
    put(folder.parent / "handwriting/labels.tsv", "file\tlabel\tkind\na.png\t3\tx\nb.png\t12\tx\n")
    Image.new("L", (60, 20)).save(folder.parent / "handwriting/a.png")
    written = found("photographs")
    assert (written.texts, written.pictures[0].name) == (("3",), "a.png")
    put(folder.parent / "handwriting/labels.tsv", "name,digit\n")
    with pytest.raises(DataError, match="file, a tab, and label"):
        find_written("photographs")


def test_a_sudoku_has_two_lines_about_the_photograph_and_rows_where_0_is_blank(
    folder: Path,
) -> None:
    put(folder / "sudoku/a.dat", "phone\n960x1280: 24 JPG\n8 0\n1 3\n")
    Image.new("L", (60, 20)).save(folder / "sudoku/a.jpg")
    assert found("grids").texts == ("8.\n13",)
    put(folder / "sudoku/a.dat", "phone\nsize\n8 x\n")
    with pytest.raises(DataError, match="rows of digits from its third line"):
        find_written("grids")


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_there_is_skipped_with_a_reason(folder: Path, name: str) -> None:
    reason = find_written(name)
    assert isinstance(reason, str)
    assert reason.startswith(f"no {SETS[name].folder}/")
    assert "$LENET_DATA" in reason
