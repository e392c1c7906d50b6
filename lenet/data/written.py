"""Other people's digits, which nothing here learns from: read where their files lie.

Each set has a folder of its own, beside MNIST's files or in a folder ``beyond`` there.
"""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from lenet.data.pictures import Picture
from lenet.data.sources import WHERE, places
from lenet.errors import DataError

ENLARGED = 4
"""Sets of small images are shown as pictures, enlarged so many times."""


@dataclass(frozen=True)
class Written:
    """Pictures and what is written in them.

    Attributes:
        pictures: Files, or arrays (H, W, 1) uint8.
        texts: The digits of each; the rows of a grid are lines, a blank cell is a dot.
        about: Which of the set's files they are.
    """

    pictures: tuple[Path | Picture, ...]
    texts: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class HandwrittenSet:
    """A set's files and how they are read.

    Attributes:
        label: What tables call it.
        folder: The folder that holds its files.
        files: Patterns of names; any file is enough, and those of the first pattern come first.
        read: Reads that file, or it and those beside it.
        shows: What is in a picture.
    """

    label: str
    folder: str
    files: tuple[str, ...]
    read: Callable[[Path], Written]
    shows: Literal["digit", "line", "grid"] = "digit"


def find_written(name: str, root: Path | None = None) -> Written | str:
    """Return a set, or why it is not here.

    Args:
        name: A key of `SETS`.
        root: A folder to look in first; then come $LENET_DATA, ``data``, and the folders around
            them.

    Raises:
        DataError: Its files are damaged.
    """
    kind = SETS[name]
    around = [base for place in places(root) for base in (place, place.absolute().parent)]
    folders = [base / part / kind.folder for base in around for part in ("", "beyond")]
    for pattern in kind.files:
        for path in (path for folder in folders for path in sorted(folder.glob(pattern))):
            written = kind.read(path)
            if not written.texts:
                raise DataError(f"{path} names no pictures of {kind.shows}s")
            for picture in written.pictures:
                if isinstance(picture, Path) and not picture.is_file():
                    raise DataError(f"{path} names {picture.name}, which is not there")
            return written
    return f"no {kind.folder}/{' or '.join(kind.files)}; {WHERE}"


def _read_usps(path: Path) -> Written:
    """Read ``zip.test`` or ``zip.train``: label and 256 values from -1 to 1 (strokes) per line."""
    values = _read_numbers(path, 257)
    images = (values[:, 1:] + 1) / 2
    return _enlarge(path, images.reshape(-1, 16, 16), values[:, 0])


def _read_semeion(path: Path) -> Written:
    """Read ``semeion.data``: 256 values, 0 or 1 (strokes), and ten that are 1 for the digit."""
    values = _read_numbers(path, 266)
    if not (values[:, 256:].sum(axis=1) == 1).all():
        raise DataError(f"{path}: a line's last ten values must hold a single 1")
    return _enlarge(path, values[:, :256].reshape(-1, 16, 16), values[:, 256:].argmax(axis=1))


def _read_optdigits(path: Path) -> Written:
    """Read ``optdigits.tes``: 64 values from 0 to 16 (strokes) and the digit per line."""
    values = _read_numbers(path, 65)
    return _enlarge(path, values[:, :64].reshape(-1, 8, 8) / 16, values[:, 64])


def _read_cheques(path: Path) -> Written:
    """Read ``boxes.json`` (COCO's format): a box per digit, whose order from the left is theirs."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digits = {kind["id"]: str(kind["name"]) for kind in content["categories"]}
        boxes: dict[int, list[tuple[float, str]]] = {image["id"]: [] for image in content["images"]}
        for box in content["annotations"]:
            boxes[box["image_id"]].append((box["bbox"][0], digits[box["category_id"]]))
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path}: not boxes of digits in COCO's format ({error!r})") from error
    return Written(
        tuple(path.parent / "images" / files[image] for image in boxes),
        tuple("".join(digit for _, digit in sorted(found)) for found in boxes.values()),
        path.parent.name,
    )


def _read_sudokus(path: Path) -> Written:
    """Read a folder's ``.dat`` files: two lines about the photograph, then a grid, 0 for blank."""
    files, texts = [], []
    for about in sorted(path.parent.glob("*.dat")):
        rows = [line.split() for line in about.read_text(encoding="utf-8").splitlines()[2:]]
        grid = "\n".join("".join(row) for row in rows if row)
        if not grid.replace("\n", "").isdecimal():
            raise DataError(f"{about}: expected rows of digits from its third line on")
        texts.append(grid.replace("0", "."))
        files.append(about.with_suffix(".jpg"))
    return Written(tuple(files), tuple(texts), path.parent.name)


def _read_photographs(path: Path) -> Written:
    """Read ``labels.tsv``: a line of headings, then file and label; of several digits are not."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if lines[0][:2] != ["file", "label"]:
        raise DataError(f"{path}: its first line must begin with file, a tab, and label")
    found = [(path.parent / line[0], line[1]) for line in lines[1:] if len(line) > 1]
    single = [(file, label) for file, label in found if len(label) == 1 and label.isdecimal()]
    files, labels = zip(*single, strict=True) if single else ((), ())
    return Written(files, labels, path.parent.name)


def _read_numbers(path: Path, columns: int) -> npt.NDArray[np.float64]:
    """Read a text file of numbers, separated by blanks or commas, gzipped or not."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        values = np.loadtxt(io.StringIO(data.decode("ascii").replace(",", " ")), ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: not lines of {columns} numbers ({error})") from error
    if values.shape[1] != columns or not len(values):
        raise DataError(f"{path}: lines of {values.shape[1]} numbers; expected {columns}")
    return values


def _enlarge(
    path: Path, images: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]
) -> Written:
    """Return images (N, H, W), 1 for strokes, as pictures, light on dark."""
    if images.min() < 0 or images.max() > 1 or not np.isin(labels, np.arange(10)).all():
        raise DataError(f"{path}: values or labels out of range; is it another file?")
    size = ENLARGED * images.shape[2], ENLARGED * images.shape[1]
    pictures = (
        Image.fromarray(np.rint(255 * image).astype(np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for image in images
    )
    return Written(
        tuple(np.asarray(picture)[..., None] for picture in pictures),
        tuple(str(int(label)) for label in labels),
        path.name.removesuffix(".gz"),
    )


SETS: dict[str, HandwrittenSet] = {
    "usps": HandwrittenSet("USPS", "usps", ("zip.test*", "zip.train*"), _read_usps),
    "semeion": HandwrittenSet("Semeion", "semeion", ("semeion.data*",), _read_semeion),
    "optdigits": HandwrittenSet("optdigits", "optdigits", ("optdigits.tes*",), _read_optdigits),
    "photographs": HandwrittenSet("photographs", "handwriting", ("labels.tsv",), _read_photographs),
    "cheques": HandwrittenSet("cheques", "orand-car-a", ("boxes.json",), _read_cheques, "line"),
    "grids": HandwrittenSet("grids", "sudoku", ("*.dat",), _read_sudokus, "grid"),
}
"""The sets by name.

Sources: USPS as distributed with "The Elements of Statistical Learning"; Semeion and optdigits as
in the UCI repository; cheque amounts of ICFHR 2014 (ORAND-CAR-A) with boxes; photographs of your
own, named in ``labels.tsv``; sudokus as in Wicht & Hennebert's sudoku_dataset.
"""
