"""Augmentation speed: ours, torchvision's image by image and by batch, and kornia's, in turn."""

import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from lenet.augment.catalogue import (
    AUGMENTATIONS,
    MIXINGS,
    PRESETS,
    build_mixing,
    build_pipeline,
)
from lenet.bench.measurement import Row, take_turns
from lenet.data.datasets import Split, load_dataset
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import SOURCES
from lenet.errors import count
from lenet.rng import generator
from lenet.tables import Table

MNIST = SOURCES["mnist"]
BATCH = 256
LOADER_BATCH = 64
IMAGES = 12_800
SECONDS = 0.3
"""Seconds per transform and round."""
LOADER_SECONDS = 1.0
"""Seconds per DataLoader and round, from its first batch on."""

OURS = "ours"
ALONE = "torchvision, 0 workers"
WORKERS = "torchvision, 2 workers"
BATCHED = "torchvision, one draw per batch"
KORNIA = "kornia"
COLUMNS = (OURS, ALONE, WORKERS, BATCHED, KORNIA)
BOTH = "RandomAffine + ElasticTransform"

AFFINE = {"degrees": 10, "translate": [0.07, 0.07], "scale": [0.9, 1.1], "shear": 5}
ELASTIC = {"alpha": 34.0, "sigma": 4.0}
JITTER = {"brightness": 0.3, "contrast": 0.3}
ALWAYS = {"p": 1.0}

Specs = list[dict[str, dict[str, Any]]]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "RandomAffine": AFFINE,
    "ElasticTransform": ELASTIC,
    "RandomRotation": {"degrees": 10},
    "RandomCrop": {"size": MNIST.size, "padding": 2},
    "RandomPerspective": ALWAYS,
    "RandomResizedCrop": {"size": MNIST.size},
    "RandomStretch": {"scale_x": [0.8, 1.2], "scale_y": [0.8, 1.2]},
    "RandomSqueeze": {"ratio": [0.8, 1.2]},
    "ColorJitter": JITTER,
    "GaussianBlur": {"kernel_size": 5},
    "RandomAdjustSharpness": {"sharpness_factor": 2, **ALWAYS},
    "RandomAutocontrast": ALWAYS,
    "RandomInvert": ALWAYS,
    "CLAHE": ALWAYS,
    "RandomErasing": ALWAYS,
}
"""Arguments of those that need some, or that would otherwise leave images as they are."""

CASES: dict[str, Specs] = {
    BOTH: [{"RandomAffine": AFFINE}, {"ElasticTransform": ELASTIC}],
    **{
        name: [{name: ARGUMENTS.get(name, {})}]
        for name in (*ARGUMENTS, *PRESETS, *AUGMENTATIONS, *MIXINGS)
    },
}
"""The cases: every transform, and a chain of two."""

_AFFINE = {"degrees": 10.0, "translate": (0.07, 0.07), "scale": (0.9, 1.1), "shear": 5.0, "p": 1.0}
_ELASTIC = {"kernel_size": (33, 33), "sigma": (4.0, 4.0), "p": 1.0}

KORNIA_CASES: dict[str, Specs] = {
    BOTH: [{"kornia.RandomAffine": _AFFINE}, {"kornia.RandomElasticTransform": _ELASTIC}],
    "RandomAffine": [{"kornia.RandomAffine": _AFFINE}],
    "ElasticTransform": [{"kornia.RandomElasticTransform": _ELASTIC}],
    "RandomRotation": [{"kornia.RandomRotation": {"degrees": 10.0, **ALWAYS}}],
    "RandomCrop": [{"kornia.RandomCrop": {"size": (MNIST.size,) * 2, "padding": 2, **ALWAYS}}],
    "RandomHorizontalFlip": [{"kornia.RandomHorizontalFlip": {}}],
    "RandomVerticalFlip": [{"kornia.RandomVerticalFlip": {}}],
    "RandomPerspective": [{"kornia.RandomPerspective": ALWAYS}],
    "RandomResizedCrop": [{"kornia.RandomResizedCrop": {"size": (MNIST.size,) * 2, **ALWAYS}}],
    "GaussianNoise": [{"kornia.RandomGaussianNoise": {"std": 0.1, **ALWAYS}}],
    "RandomGamma": [{"kornia.RandomGamma": {"gamma": (0.5, 2.0), **ALWAYS}}],
    "GaussianBlur": [
        {"kornia.RandomGaussianBlur": {"kernel_size": 5, "sigma": (0.1, 2.0), **ALWAYS}}
    ],
    "RandomAdjustSharpness": [{"kornia.RandomSharpness": ALWAYS}],
    "RandomAutocontrast": [{"kornia.RandomAutoContrast": ALWAYS}],
    "RandomInvert": [{"kornia.RandomInvert": ALWAYS}],
    "CLAHE": [{"kornia.RandomClahe": {"grid_size": (4, 4), **ALWAYS}}],
    "RandomErasing": [{"kornia.RandomErasing": ALWAYS}],
}
"""The same cases in kornia, where it has them. Its CLAHE gets larger tiles, as tiles of an odd side
are refused."""


def torchvision_cases() -> dict[str, list[v2.Transform]]:
    """Return the same cases in torchvision, where it has them."""
    bilinear = v2.InterpolationMode.BILINEAR
    affine = v2.RandomAffine(**AFFINE, interpolation=bilinear)
    return {
        BOTH: [affine, v2.ElasticTransform(**ELASTIC)],
        "RandomAffine": [affine],
        "ElasticTransform": [v2.ElasticTransform(**ELASTIC)],
        "RandomRotation": [v2.RandomRotation(10, bilinear)],
        "RandomCrop": [v2.RandomCrop(MNIST.size, padding=2)],
        "RandomHorizontalFlip": [v2.RandomHorizontalFlip()],
        "RandomVerticalFlip": [v2.RandomVerticalFlip()],
        "RandomPerspective": [v2.RandomPerspective(p=1.0)],
        "RandomResizedCrop": [v2.RandomResizedCrop(MNIST.size)],
        "GaussianNoise": [v2.GaussianNoise()],
        "ColorJitter": [v2.ColorJitter(**JITTER)],
        "GaussianBlur": [v2.GaussianBlur(5)],
        "RandomAdjustSharpness": [v2.RandomAdjustSharpness(2, p=1.0)],
        "RandomAutocontrast": [v2.RandomAutocontrast(p=1.0)],
        "RandomInvert": [v2.RandomInvert(p=1.0)],
        "RandomErasing": [v2.RandomErasing(p=1.0)],
        "AutoAugment": [v2.AutoAugment(interpolation=bilinear)],
        "RandAugment": [v2.RandAugment(interpolation=bilinear)],
        "TrivialAugmentWide": [v2.TrivialAugmentWide(interpolation=bilinear)],
        "AugMix": [v2.AugMix()],
        "MixUp": [v2.MixUp(num_classes=len(MNIST.classes))],
        "CutMix": [v2.CutMix(num_classes=len(MNIST.classes))],
    }


TO_FLOAT = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]

ON_TENSORS = ("GaussianNoise", "RandomErasing")
"""torchvision's transforms of tensors only; the others are faster on single PIL images."""

ON_BYTES = ("AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix")
"""torchvision's transforms of uint8 batches only."""


class PictureDataset(Dataset[tuple[Any, int]]):
    """Images one by one, from PIL images as torchvision's MNIST gives them, transformed."""

    def __init__(self, split: Split, transforms: Sequence[v2.Transform]) -> None:
        self.arrays = split.images[:, 0].numpy()
        self.labels = split.labels.tolist()
        self.transform = v2.Compose(transforms)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(tv.to_pil_image(self.arrays[index])), self.labels[index]


def measure(data: Path | None, rounds: int, names: Sequence[str] = ()) -> list[Row]:
    """Return images/s of each case in each column.

    Args:
        data: A folder to look for MNIST in first.
        rounds: Counted rounds.
        names: Keys of `CASES`, or nothing for all of them.

    Raises:
        RunError: MNIST cannot be found or downloaded.
    """
    dataset = load_dataset("mnist", data)
    split = dataset.train.take(torch.arange(IMAGES))
    work: dict[str, Callable[[], float]] = {}
    for name in names or CASES:
        work |= _case(name, split)
    return take_turns(work, rounds)


def table(rows: Sequence[Row]) -> Table:
    """Return the measurements as a table."""
    rates = {row.name: row.median for row in rows}
    names = list(dict.fromkeys(name.split(" | ")[0] for name in rates))
    cells = []
    for name in names:
        found = [rates.get(f"{name} | {column}") for column in COLUMNS]
        cells.append([name, *("—" if rate is None else f"{rate:,.0f}" for rate in found)])
    head = (f"images/s, {count(torch.get_num_threads(), 'thread')}", *COLUMNS)
    return Table(head, cells, optional=(1 + COLUMNS.index(BATCHED),))


def _case(name: str, split: Split) -> dict[str, Callable[[], float]]:
    """Return the measurements of a case, for each column that has it."""
    images, labels = scale_pixels(split.images[:BATCH]), split.labels[:BATCH]
    work = {f"{name} | {OURS}": _repeated(_ours(CASES[name], images, labels))}
    theirs = torchvision_cases().get(name)
    if theirs is not None:
        chain = v2.Compose(theirs)
        batch = split.images[:BATCH] if name in ON_BYTES else images
        arguments = (batch, labels) if name in MIXINGS else (batch,)
        work[f"{name} | {BATCHED}"] = _repeated(lambda: chain(*arguments))
    if theirs is not None and name not in MIXINGS:
        order = [*TO_FLOAT, *theirs] if name in ON_TENSORS else [*theirs, *TO_FLOAT]
        pictures = PictureDataset(split, order)
        for column, workers in ((ALONE, 0), (WORKERS, 2)):
            work[f"{name} | {column}"] = loaded(pictures, workers, LOADER_BATCH)
    if name in KORNIA_CASES and find_spec("kornia"):
        kornia = _ours(KORNIA_CASES[name], images, labels)
        work[f"{name} | {KORNIA}"] = _repeated(kornia)
    return work


def _ours(specs: Specs, images: Tensor, labels: Tensor) -> Callable[[], Any]:
    draw = generator(0, "bench")
    if next(iter(specs[0])) in MIXINGS:
        mixing = build_mixing(specs, len(MNIST.classes))
        return lambda: mixing(images, labels, draw)
    pipeline = build_pipeline(specs)
    return lambda: pipeline(images, labels, draw)


def _repeated(work: Callable[[], Any]) -> Callable[[], float]:
    """Do work on a batch again and again; return its images/s."""

    def rate() -> float:
        began, count = time.perf_counter(), 0
        while (seconds := time.perf_counter() - began) < SECONDS:
            work()
            count += BATCH
        return count / seconds

    return rate


def loaded(
    pictures: PictureDataset,
    workers: int,
    batch: int,
    learn: Callable[[Tensor, Tensor], None] = lambda images, labels: None,
) -> Callable[[], float]:
    """Return what loads batches and learns from them: images/s without the workers' start."""
    loader = DataLoader(pictures, batch, shuffle=True, num_workers=workers)

    def rate() -> float:
        batches: Iterator[Any] = iter(loader)
        learn(*next(batches))
        began, count, seconds = time.perf_counter(), 0, 0.0
        for images, labels in batches:
            learn(images, labels)
            count += len(labels)
            seconds = time.perf_counter() - began
            if seconds > LOADER_SECONDS:
                break
        return count / seconds

    return rate
