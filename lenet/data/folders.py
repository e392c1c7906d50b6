"""Picture folders: a folder per class, as torchvision's ImageFolder has them.

    letters/train/a/1.png   letters/train/b/…   letters/test/a/…
    letters/a/1.png         letters/b/…         a part of which becomes the test set

Pictures are brought to one size, decoded once and kept in a cache.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from lenet.data.cache import read_cached
from lenet.data.datasets import Dataset, Split
from lenet.data.pictures import (
    SUFFIXES,
    PictureError,
    fit_picture,
    guarded_decoding,
    read_picture,
    working_side,
)
from lenet.data.splits import check_class_names, some_of, stratified_split, take, tell_duplicates
from lenet.errors import DataError, count, shell

SIZE = 32
"""Pixels, the size of images where none is asked for."""
MAX_BYTES = 2_000_000_000
"""Of all images in memory."""
MOST_FILES = 2_000_000
"""That a folder may hold: more take minutes to list."""
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
"""Names of folders that hold the classes' folders, in small letters."""
IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
"""What file managers leave behind, beside names that begin with a dot."""
GREY_SPREAD = 8
"""A picture whose channels differ by no more than this anywhere is grey."""


@dataclass(frozen=True)
class Listing:
    """The picture files of a folder.

    Attributes:
        folder: That they lie in.
        classes: Names of the class folders, sorted.
        train: (file, label) pairs.
        test: The same; empty where there is no test folder.
        others: Files that are no pictures by their names.
        loose: Pictures, and folders of pictures, that belong to no class.
    """

    folder: Path
    classes: tuple[str, ...]
    train: list[tuple[Path, int]]
    test: list[tuple[Path, int]]
    others: list[Path]
    loose: list[Path]


def list_folder(folder: Path) -> Listing:
    """Find the pictures of each class.

    Raises:
        DataError: There is no folder, or none per class, or a class has fewer than two pictures, or
            the folders' names are those of splits.
    """
    if not folder.is_dir():
        if folder.exists():
            raise DataError(f"{folder} is no folder")
        raise DataError(
            f"there is no {folder}; name your data with --set data.path=FOLDER, or for a finished"
            " run with --data FOLDER"
        )
    names = {path.name: path for path in _subfolders(folder)}
    others: list[Path] = []
    loose = _pictures(folder)
    if set(names) >= {"train", "test"} or set(names) == {"train"}:
        loose += [path for name, path in names.items() if name not in ("train", "test")]
        loose += [
            file for name in ("train", "test") if name in names for file in _pictures(names[name])
        ]
        classes = tuple(path.name for path in _subfolders(names["train"]))
        train = _list_classes(names["train"], classes, others)
        test = []
        if "test" in names:
            unknown = [p.name for p in _subfolders(names["test"]) if p.name not in classes]
            if unknown:
                raise DataError(
                    f"{names['test']} has classes that {names['train']} lacks: {some_of(unknown)}"
                )
            test = _list_classes(names["test"], classes, others)
            if not test:
                raise DataError(f"{names['test']} holds no pictures ({_suffixes()})")
    elif names and {name.lower() for name in names} <= SPLITS:
        raise DataError(
            f"{folder} holds {some_of(names)}, which are no classes: call the folder of the"
            " training pictures train and that of the test pictures test, and put others elsewhere"
        )
    else:
        classes = tuple(names)
        train, test = _list_classes(folder, classes, others), []
    _check_classes(names["train"] if test or set(names) == {"train"} else folder, classes, train)
    return Listing(folder, classes, train, test, others, loose)


def _check_classes(folder: Path, classes: tuple[str, ...], files: list[tuple[Path, int]]) -> None:
    """Refuse what is no set of classes, with a guess at what is wrong."""
    check_class_names(classes, folder)
    if len(classes) == 1:
        inside = folder / classes[0]
        while len(deeper := _subfolders(inside)) == 1:
            inside = deeper[0]
        if len(deeper) > 1:
            raise DataError(f"{folder} holds a single folder: did you mean {inside}?")
    if not files:
        raise DataError(
            f"{folder} holds no pictures in folders ({_suffixes()}): it needs a folder per class,"
            " named after the class, with its pictures inside"
        )
    if len(classes) < 2:
        raise DataError(
            f"{folder} has one class, {classes[0]}: a network needs two or more, a folder each"
        )
    counts = np.bincount([label for _, label in files], minlength=len(classes))
    few = [f"{name} ({n})" for name, n in zip(classes, counts, strict=True) if n < 2]
    if few:
        raise DataError(f"every class needs two pictures or more; too few have {some_of(few)}")


def _list_classes(
    folder: Path, classes: tuple[str, ...], others: list[Path]
) -> list[tuple[Path, int]]:
    """Return the pictures below each class's folder; other files are added to `others`."""
    found: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        # Links can lead back to where one was, and to the folder of all classes.
        seen = {_identity(folder), _identity(folder / name)}
        for root, folders, files in os.walk(folder / name, followlinks=True):
            if len(found) + len(others) > MOST_FILES:
                raise DataError(
                    f"{folder} holds more than {MOST_FILES:,} files: name one of images"
                )
            there = {f: _identity(Path(root, f)) for f in sorted(folders) if not f.startswith(".")}
            folders[:] = [f for f, identity in there.items() if identity not in seen]
            seen |= set(there.values())
            for file in sorted(files):
                path = Path(root) / file
                if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                    found.append((path, label))
                elif not file.startswith(".") and file.lower() not in IGNORED:
                    others.append(path)
    return found


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from all others, whatever it is called; None if it is gone."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def load_folder(
    folder: Path,
    size: int | None = None,
    channels: int | None = None,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Dataset:
    """Read a folder of pictures.

    Args:
        folder: As at the top of this module.
        size: Width and height in pixels to which every picture is brought, whatever its shape, with
            antialiasing; None: 32.
        channels: 1 for grey, 3 for colour; None: grey if all pictures are.
        test_share: Of each class, in (0, 1): what becomes the test set where there is none.
        seed: Decides which pictures that is.
        say: Takes messages: what is left out, and pictures that are in both sets.
        progress: Show a bar on standard error while pictures are decoded.

    Raises:
        DataError: The folder is not as expected, pictures cannot be read (all are named), or they
            need more than `MAX_BYTES` of memory.
    """
    listing = list_folder(folder)
    files = [*listing.train, *listing.test]
    size = size or SIZE
    needed = len(files) * size * size * (channels or 3)
    if needed > MAX_BYTES:
        raise DataError(
            f"{len(files):,} pictures of {size}×{size} pixels need {needed / 1e9:.1f} GB of memory,"
            f" more than {MAX_BYTES / 1e9:.0f}: set data.size to fewer pixels"
        )
    if listing.others:
        say(
            f"note: {count(len(listing.others), 'file')} not read, for the names are not those of"
            " pictures:"
            f" {some_of([str(path.relative_to(folder)) for path in listing.others])}"
        )
    if listing.loose:
        say(
            f"note: left out, for no class's folder holds them:"
            f" {some_of([str(path.relative_to(folder)) for path in listing.loose])}"
        )
    if nested := _nested(listing):
        say(
            f"note: {some_of(nested)} hold folders of pictures: if these are the classes, this"
            " folder is one level too high, and"
            f" {shell('lenet', 'train', folder / nested[0])} is meant"
        )
    every = [path for path, _ in files]
    images = read_cached(
        every, (size, channels), lambda: {"images": _decode(every, size, channels, progress)}
    )["images"]
    labels = torch.tensor([label for _, label in files])
    start = len(f"{folder / '_'}") - 1
    names = [str(path)[start:] for path in every]  # 20 times as fast as relative_to
    places = Split(torch.arange(len(files)), labels, listing.classes)
    if listing.test:
        train, test = places.images.tensor_split([len(listing.train)])
    else:
        n = max(round(test_share * len(files)), 1)
        train, test = (part.images for part in stratified_split(places, n, seed))
    there = set(labels[test].tolist())
    lacking = [name for label, name in enumerate(listing.classes) if label not in there]
    if lacking:
        where = folder / "test" if listing.test else f"the test set drawn from {folder}"
        say(f"warning: {where} has no pictures of {some_of(lacking)}")
    tell_duplicates(images[train], images[test], take(names, train), take(names, test), say)
    md5 = hashlib.md5(usedforsecurity=False)
    md5.update(json.dumps([listing.classes, names, test.tolist()]).encode())
    md5.update(images.numpy().tobytes())
    name = folder.resolve().name
    everything = replace(places, images=images, pictures=True)
    paths = [str(path) for path in every]
    return Dataset(
        name, everything.take(train), everything.take(test), str(folder), {name: md5.hexdigest()},
        (take(paths, train), take(paths, test)),
    )  # fmt: skip


def _decode(paths: list[Path], size: int, channels: int | None, progress: bool) -> Tensor:
    """Decode pictures on all cores.

    Raises:
        DataError: Some cannot be read; all of them are named.
    """
    images = torch.empty(len(paths), channels or 3, size, size, dtype=torch.uint8)
    grey, faults = True, []

    def read(path: Path) -> npt.NDArray[np.uint8] | PictureError:
        try:
            return fit_picture(read_picture(path, working_side(size)), size, channels or 3)
        except PictureError as error:
            return error

    with guarded_decoding(), ThreadPoolExecutor(os.cpu_count()) as pool:
        bar = tqdm(
            pool.map(read, paths), "reading pictures", len(paths), leave=False,
            disable=not progress, unit=" pictures",
        )  # fmt: skip
        for place, (path, found) in enumerate(zip(paths, bar, strict=True)):
            if isinstance(found, PictureError):
                faults.append(f"{path}: {found}")
                continue
            images[place] = torch.from_numpy(found)
            spread = found.max(axis=0).astype(int) - found.min(axis=0)
            grey = grey and bool((spread <= GREY_SPREAD).all())
    if faults:
        lines = "\n".join(faults)
        raise DataError(f"{len(faults):,} of {len(paths):,} pictures cannot be read:\n{lines}")
    if channels is None and grey:
        return images[:, 1:2].clone()
    return images


def _nested(listing: Listing) -> list[str]:
    """Return the classes whose pictures all lie in folders, two or more, within the class's own."""
    parents: list[set[Path]] = [set() for _ in listing.classes]
    for path, label in listing.train:
        parents[label].add(path.parent)
    return [
        name
        for name, its in zip(listing.classes, parents, strict=True)
        if len(its) > 1 and all(parent.name != name for parent in its)
    ]


def _pictures(folder: Path) -> list[Path]:
    """Return the pictures that lie in a folder itself."""
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name.lower() not in IGNORED
    )


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
