"""A config's images, whether they come with a name or are the user's own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lenet.config.schema import Config, Data
from lenet.data.arrays import holds_arrays, load_arrays
from lenet.data.datasets import Dataset, Split, load_dataset
from lenet.data.folders import load_folder
from lenet.data.sources import FILES, SAMPLE
from lenet.data.splits import make_splits
from lenet.errors import DataError, expand


def load_images(
    settings: Data,
    root: str | Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
    *,
    trained_on: str | None = None,
) -> Dataset:
    """Load a config's images.

    Args:
        settings: Which they are.
        root: A folder to look for a named dataset in first; for your own images, where they lie
            now.
        say: Takes messages.
        progress: Show a bar on standard error while pictures are decoded.
        trained_on: The dataset's name in a finished run, which may be that of the fallback.

    Raises:
        UsageError: There is no such dataset.
        DatasetMissingError: A named one was not found and could not be fetched.
        DataError: Files are damaged or not as expected, or hold other classes than the settings.
    """
    if settings.name != FILES:
        return load_dataset(trained_on or settings.name, root or settings.root)
    path = expand(root or settings.path or "")
    load = load_arrays if holds_arrays(path) else partial(load_folder, progress=progress)
    dataset = load(
        path,
        settings.size,
        settings.channels,
        test_share=settings.test_share,
        seed=settings.split_seed,
        say=say,
    )
    if settings.classes is not None and settings.classes != list(dataset.train.classes):
        there, here = set(settings.classes), set(dataset.train.classes)
        raise DataError(
            f"{dataset.source} has other classes than the {len(there)} of the network:"
            f" {_difference(there, here) or 'in another order'}"
        )
    return dataset


def _difference(expected: set[str], found: set[str]) -> str:
    lacking, new = sorted(expected - found), sorted(found - expected)
    parts = [f"{', '.join(lacking)} missing"] if lacking else []
    return " and ".join([*parts, *([f"{', '.join(new)} new"] if new else [])])


def is_complete(config: Config) -> bool:
    """Say whether a config needs no look at the images to build its network."""
    known = config.data.name in ("mnist", SAMPLE) or config.input.mean is not None
    data = config.data
    described = data.name != FILES or None not in (data.classes, data.size, data.channels)
    return described and (known or config.input.levels != "standard")


def complete(config: Config, dataset: Dataset) -> Config:
    """Put into a config what its images say: classes, channels, size, mean, standard deviation.

    The network of the result can be built, and can prepare its input, without the images. Mean and
    standard deviation are those of the training images: not of validation and test images.

    Raises:
        UsageError: More validation images than there are images.
    """
    data, given = config.data, config.input
    if data.name == FILES:
        _, channels, size, _ = dataset.train.images.shape
        described = {"classes": list(dataset.train.classes), "channels": channels, "size": size}
        data = data.model_copy(update=described)
    if not is_complete(config) and given.levels == "standard" and given.mean is None:
        known = config.model_copy(update={"data": data})
        splits = make_splits(dataset, known, torch.device("cpu"), copies=False)
        mean, std = measure(splits.train)
        given = given.model_copy(update={"mean": mean, "std": std})
    return config.model_copy(update={"data": data, "input": given})


def measure(split: Split) -> tuple[list[float], list[float]]:
    """Return the mean and the standard deviation of each channel's pixels, from 0 to 1.

    Both have four decimals, as they are usually given; the deviation is at least 0.01.
    """
    means, deviations = [], []
    for pixels in split.images.unbind(dim=1):
        counts = torch.bincount(pixels.flatten().long(), minlength=256).double()
        levels = torch.arange(256).double() / 255
        mean = float((counts * levels).sum() / counts.sum())
        variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
        means.append(round(mean, 4))
        deviations.append(max(round(variance**0.5, 4), 0.01))
    return means, deviations
