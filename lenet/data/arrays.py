"""Arrays in files: CSV tables, NumPy's NPZ and NPY, and IDX files of any size.

train.csv                                   a label and an image in each row; a fifth is tested
digits/train.csv  digits/test.csv           the same, divided; a test.csv without labels is left
mnist.npz                                   x_train y_train x_test y_test, or images labels, …
digits/images.npy  digits/labels.npy        one array per file, by the same names
digits/train-images-idx3-ubyte  …           the same, as MNIST is published, also as .gz
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from lenet.config.load import DATA_FILES
from lenet.data.cache import read_cached
from lenet.data.datasets import Dataset, Split
from lenet.data.idx import read_idx
from lenet.data.splits import check_class_names, stratified_split, take, tell_duplicates
from lenet.errors import DataError, check_plain, explain, read_plain

Array = npt.NDArray[Any]
SIZE = 32
"""Pixels, to which larger images are brought where no size is asked for."""
MAX_BYTES = 2_000_000_000
"""Of all arrays of a file in memory; a table of text takes twice its size."""
IMAGES = {"x", "images", "image", "data"}
LABELS = {"y", "labels", "label", "targets"}
TESTED = {"test", "t10k"}
NAMES = "arrays are found by names such as x_train and y_train, or images and labels"
ORDERS = "(N, H, W), (N, H, W, C), (N, C, H, W) or (N, pixels), C = 1 or 3"


def holds_arrays(path: Path) -> bool:
    """Say whether a path is a file, or a folder of files, that `load_arrays` reads."""
    if not path.is_dir():
        return path.suffix.lower() in DATA_FILES and path.is_file()
    return bool(_files(path))


def load_arrays(
    path: Path,
    size: int | None = None,
    channels: int | None = None,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """Read images and labels from arrays.

    Args:
        path: A file or a folder, as at the top of this module.
        size: Width and height in pixels to which every image is brought, with antialiasing; None:
            as it is, if it is square and not larger than 32, otherwise 32.
        channels: 1 for grey, 3 for colour; None: as they are.
        test_share: Of each class, in (0, 1): what becomes the test set where there is none.
        seed: Decides which images that is.
        say: Takes messages about what is left out.

    Raises:
        DataError: Files are damaged, or images and labels are not found or do not fit together.
    """
    kept = read_cached(
        _sources(path), ("arrays", size, channels), partial(_pack, path, size, channels)
    )
    about = json.loads(bytes(kept["about"].tolist()))
    classes = tuple(about["classes"])
    for note in about["notes"]:
        say(note)
    images, labels = kept["images"], kept["labels"].long()
    places = Split(torch.arange(len(labels)), labels, classes)
    if about["train"] < len(labels):
        train, test = places.images.tensor_split([about["train"]])
    else:
        n = max(round(test_share * len(labels)), 1)
        train, test = (part.images for part in stratified_split(places, n, seed))
    names = [f"image {i}" for i in range(about["train"])]
    names += [f"test image {i}" for i in range(len(labels) - len(names))]
    tell_duplicates(images[train], images[test], take(names, train), take(names, test), say)
    everything = replace(places, images=images)
    split = everything.take(train), everything.take(test)
    md5 = hashlib.md5(repr(classes).encode(), usedforsecurity=False)
    for part in split:
        md5.update(part.images.numpy().tobytes())
        md5.update(part.labels.numpy().tobytes())
    name = path.resolve().name
    return Dataset(name, *split, str(path), {name: md5.hexdigest()})


def _sources(path: Path) -> list[Path]:
    """Return the files that a dataset may be read from."""
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _pack(path: Path, size: int | None, channels: int | None) -> dict[str, Tensor]:
    """Read all images, those for training first, and their labels.

    Returns:
        ``images`` uint8 (N, C, H, W), ``labels`` int32 (N,), and ``about``: JSON with the classes,
        the number of training images, and notes for the user.
    """
    notes: list[str] = []
    arrays = _read(path, notes.append)
    sets = {part: arrays[part] for part in ("train", "test") if part in arrays}
    if "train" not in sets:
        raise DataError(f"{path} holds no training images with labels: {NAMES}")
    classes = _classes([str(name) for name in np.unique(sets["train"][1]).tolist()])
    check_class_names(classes, path)
    if len(classes) < 2:
        raise DataError(f"{path} has one class, {classes[0]}: a network needs two or more")
    splits: dict[str, Split] = {}
    places = {name: label for label, name in enumerate(classes)}
    for where, (pixels, labels) in sets.items():
        images = fit_images(as_images(pixels, f"{path}, {where}"), size, channels)
        _, channels, size, _ = images.shape  # the test images become as the training images
        texts = [str(label) for label in labels.tolist()]
        if len(texts) != len(images):
            raise DataError(f"{path}, {where}: {len(images):,} images and {len(texts):,} labels")
        unknown = sorted(set(texts) - set(classes))
        if unknown:
            raise DataError(f"{path}: test labels that no training image has: {unknown[:20]}")
        numbers = torch.tensor([places[text] for text in texts])
        splits[where] = Split(images, numbers, classes)
    few = torch.bincount(splits["train"].labels, minlength=len(classes)) < 2
    if few.any():
        names = [name for name, lacks in zip(classes, few.tolist(), strict=True) if lacks]
        raise DataError(f"every class needs two images or more; too few have {', '.join(names)}")
    about = json.dumps({"classes": classes, "train": len(splits["train"]), "notes": notes})
    return {
        "images": torch.cat([split.images for split in splits.values()]),
        "labels": torch.cat([split.labels for split in splits.values()]).int(),
        "about": torch.tensor([*about.encode()], dtype=torch.uint8),
    }


def read_images(path: Path) -> Tensor:
    """Read the images of a file that needs no labels, uint8 (N, C, H, W): CSV, NPY or NPZ.

    Labels in it are left out.

    Raises:
        DataError: The file is damaged or holds no images.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            pixels = _read_csv(path)[0]
        elif suffix == ".npy":
            pixels = _read_npy(path)
        else:
            found = {kind: array for _, kind, array in _parts(_read_npz(path))}
            if "images" not in found:
                raise DataError(f"{path} holds no images: {NAMES}")
            pixels = found["images"]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, MemoryError) as error:
        raise DataError(f"{path} cannot be read: {explain(error)}") from error
    return as_images(pixels, str(path))


def as_images(pixels: Array, where: str) -> Tensor:
    """Return an array as images, uint8 (N, C, H, W).

    Args:
        pixels: In one of the `ORDERS`; whole numbers from 0 to 255, or shares from 0 to 1.
        where: What messages call the array.

    Raises:
        DataError: It has another shape or other values.
    """
    shape = pixels.shape
    if len(shape) == 2:
        found = _square(shape[1])
        if found is None:
            raise DataError(
                f"{where}: rows of {shape[1]:,} pixels are no square images, grey or in colour"
            )
        pixels = pixels.reshape(len(pixels), *found)
    elif len(shape) == 3:
        pixels = pixels[:, None]
    elif len(shape) == 4 and shape[3] in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or not pixels.size:
        raise DataError(f"{where}: images have the shape {shape}, expected {ORDERS}")
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype != np.uint8:
        if pixels.dtype.kind not in "iuf":
            raise DataError(f"{where}: pixels are no numbers but {pixels.dtype}")
        low, high = float(pixels.min()), float(pixels.max())
        if not 0 <= low <= high <= 255:  # also refuses NaN
            raise DataError(
                f"{where}: pixels go from {low:g} to {high:g}, expected 0 to 255, or 0 to 1"
            )
        if pixels.dtype.kind == "f" and high <= 1:
            pixels = pixels * 255
        pixels = pixels.round().astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(pixels))


def fit_images(images: Tensor, size: int | None, channels: int | None) -> Tensor:
    """Bring images, uint8 (N, C, H, W), to a size and to grey or colours; see `load_arrays`."""
    height, width = images.shape[2:]
    size = size or (height if height == width <= SIZE else SIZE)
    if channels == 1 and images.shape[1] == 3:  # as Pillow makes grey
        weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        grey = [
            (block * weights).sum(1, keepdim=True).round().byte()
            for block in torch.split(images, 999)
        ]
        images = torch.cat(grey)
    elif channels == 3 and images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1).contiguous()
    if (height, width) != (size, size):
        blocks = [
            F.interpolate(block.float(), (size, size), mode="bilinear", antialias=True)
            for block in torch.split(images, 999)
        ]
        images = torch.cat([block.round().clamp(0, 255).byte() for block in blocks])
    return images


def _read(path: Path, say: Callable[[str], None]) -> dict[str, tuple[Array, Array]]:
    """Return (pixels, labels) of ``train`` and, where there is one, of ``test``."""
    try:
        if path.suffix.lower() == ".csv" or (path.is_dir() and (path / "train.csv").is_file()):
            return _read_tables(path, say)
        arrays = (
            _read_npz(path)
            if path.is_file()
            else {file.name.split(".")[0]: _read_file(file) for file in _files(path)}
        )
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, MemoryError) as error:
        raise DataError(f"{path} cannot be read: {explain(error)}") from error
    found = {(part, kind): array for part, kind, array in _parts(arrays)}
    left = [name for name in arrays if _kind(name) is None]
    if left:
        say(f"note: {path} holds more arrays, which are left out: {', '.join(left)}")
    return {
        part: (found[part, "images"], found[part, "labels"].reshape(-1))
        for part in ("train", "test")
        if {(part, "images"), (part, "labels")} <= set(found)
    }


def _read_tables(path: Path, say: Callable[[str], None]) -> dict[str, tuple[Array, Array]]:
    files = {"train": path} if path.is_file() else {n: path / f"{n}.csv" for n in ("train", "test")}
    found = {}
    for part, file in files.items():
        if part == "test" and not file.is_file():
            continue
        pixels, labels = _read_csv(file)
        if labels is not None:
            found[part] = pixels, labels
        elif part == "train":
            raise DataError(
                f"{file} has no labels: its first column is to hold them, the others a pixel each"
            )
        else:
            say(f"note: {file} has no labels, so a share of the training images is tested")
    return found


def _read_csv(path: Path) -> tuple[Array, Array | None]:
    """Read a table with an image in each row, and its label before it, if there is one.

    Raises:
        DataError: A row has another length or holds what is no number.
    """
    lines = read_plain(path, MAX_BYTES // 2).decode("utf-8-sig").splitlines()
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty")
    heading = not _is_number(lines[0].rsplit(",", 1)[-1])
    columns = lines[0].count(",") + 1
    labelled = _square(columns - 1) is not None
    if not labelled and _square(columns) is None:
        raise DataError(
            f"{path} has {columns:,} columns, but a label and a square image's pixels, grey or in"
            " colour (red first), would be 785 for 28×28 or 3,073 for 32×32 in colour"
        )
    rows = lines[heading:]
    for number, line in enumerate(rows, 1 + heading):
        if line.count(",") + 1 != columns:
            raise DataError(
                f"{path}, line {number}: {line.count(',') + 1} columns, expected {columns}"
            )
    labels = None
    if labelled:
        labels = np.array([line.partition(",")[0].strip().strip('"') for line in rows])
        rows = [line.partition(",")[2] for line in rows]
    try:
        pixels = np.loadtxt(rows, np.float32, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {error} (rows are counted from 0)") from error
    return pixels, labels


def _read_npz(path: Path) -> dict[str, Array]:
    check_plain(path)
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_BYTES:
        raise ValueError(f"it holds {unpacked:,} bytes, more than the {MAX_BYTES:,} allowed")
    with path.open("rb") as stream:  # NumPy leaves the files open that it cannot read
        file = np.load(stream, allow_pickle=False)
        return {name: file[name] for name in file.files}


def _read_npy(path: Path) -> Array:
    return np.asarray(np.load(BytesIO(read_plain(path, MAX_BYTES)), allow_pickle=False))


def _read_file(path: Path) -> Array:
    if path.suffix == ".npy":
        return _read_npy(path)
    array: Array = read_idx(path)[0].numpy()
    return array


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold one array each, or a table."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file()
        and (file.name == "train.csv" or file.suffix == ".npy" or "-idx" in file.name)
    )


def _kind(name: str) -> tuple[str, str] | None:
    """Return what an array's name says: ``train`` or ``test``, and ``images`` or ``labels``."""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    kind = "images" if words & IMAGES else "labels" if words & LABELS else None
    if kind is None or words & {"val", "validation", "valid"}:
        return None
    return ("test" if words & TESTED else "train"), kind


def _parts(arrays: dict[str, Array]) -> list[tuple[str, str, Array]]:
    return [(*kind, array) for name, array in arrays.items() if (kind := _kind(name))]


def _classes(names: list[str]) -> tuple[str, ...]:
    """Return the classes' names in order: numbers by their value."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if numbers else 0, name)))


def _square(pixels: int) -> tuple[int, int, int] | None:
    """Return the channels, height and width of square images of so many pixels, or None."""
    for channels in (1, 3):
        side = isqrt(pixels // channels) if pixels > 0 else 0
        if side >= 4 and channels * side * side == pixels:
            return channels, side, side
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
