"""A dataset split into training, validation and test images."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lenet.config.schema import Config
from lenet.data.datasets import Dataset, Split
from lenet.data.preprocessing import scale_pixels
from lenet.data.strings import StringComposer
from lenet.errors import DataError, UsageError, blaming, count, printable
from lenet.rng import generator

if TYPE_CHECKING:
    from lenet.augment.pipeline import Pipeline


MOST_NAMED = 20
"""Files that a message names; the others are counted."""
LISTED = 12
"""Classes that a line names; of more, the last one, too."""
MOST_GIGABYTES = 4
"""What a training set with its distorted copies may fill; ten copies of MNIST fill half of one."""


@dataclass(frozen=True)
class Splits:
    """The images of a run, on the device."""

    dataset: str
    """The dataset's name."""
    train: Split
    validation: Split
    test: Split

    def describe(self) -> str:
        """Return a line on the classes, the number of images, and their format."""
        names, (_, channels, height, width) = self.train.classes, self.train.images.shape
        more = f", … {names[-1]}" if len(names) > LISTED + 1 else ""
        listed = ", ".join(names[:LISTED] if more else names)
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        counts = [f"{len(split):,} {part}" for part, split in parts.items() if len(split)]
        return (
            f"{len(names)} classes: {listed}{more}; {', '.join(counts)} images, {width}×{height},"
            f" {'colour' if channels == 3 else 'grey'}"
        )


def make_splits(
    dataset: Dataset,
    config: Config,
    device: torch.device,
    distort: "Pipeline | None" = None,
    *,
    copies: bool = True,
) -> Splits:
    """Take validation images, cut the training set to size, add distorted copies.

    Where a config composes strings, validation and test images are lines; training images are
    single, for lines are composed of them batch by batch.

    Args:
        dataset: All images.
        config: Its ``data`` says how they are split.
        device: Where the splits lie.
        distort: The pipeline of ``data.distort``, where it was built before.
        copies: Whether to add the distorted copies, which only a training needs.

    Raises:
        UsageError: More images are asked for than there are.
    """
    settings = config.data
    with blaming("data", "validation"):
        if settings.validation_split == "tail":
            train, validation = tail_split(dataset.train, settings.validation)
        else:
            train, validation = stratified_split(
                dataset.train, settings.validation, settings.split_seed
            )
        if not len(train):
            raise UsageError(f"all {len(validation):,} images are taken: none is left to train on")
    if settings.train_size is not None:
        with blaming("data", "train_size"):
            _, train = stratified_split(train, settings.train_size, settings.split_seed)
    if copies and settings.distorted_copies:
        if distort is None:
            from lenet.augment.catalogue import build_pipeline  # needs torchvision

            distort = build_pipeline(settings.distort)
        train = add_distorted_copies(train, settings.distorted_copies, distort, settings.split_seed)
    test = dataset.test
    if settings.strings is not None:
        composer = StringComposer.of(config)
        validation = composer.compose(validation, settings.split_seed, "validation")
        test = composer.compose(test, settings.split_seed, "test")
    return Splits(dataset.name, train.to(device), validation.to(device), test.to(device))


def add_distorted_copies(split: Split, copies: int, distort: "Pipeline", seed: int) -> Split:
    """Return a split followed by copies of it, each distorted by a draw of its own.

    Raises:
        UsageError: They would fill more than `MOST_GIGABYTES`.

    Args:
        split: uint8 images (N, C, H, W) and their labels.
        copies: How many copies follow.
        distort: Images in [0, 1] → images of the same size.
        seed: Decides what is drawn.

    Source: Section III.C of the 1998 paper: 60,000 originals and 540,000 distorted images.
    """
    gigabytes = (1 + copies) * split.images.nbytes / 1e9
    if gigabytes > MOST_GIGABYTES:
        raise UsageError(
            f"{copies} copies of {len(split):,} images take {gigabytes:.1f} GB, more than the"
            f" {MOST_GIGABYTES} allowed",
            ("data", "distorted_copies"),
        )
    images, labels = [split.images], split.labels
    for copy in range(copies):
        for start in range(0, len(split), 10_000):
            block = split.images[start : start + 10_000]
            draw = generator(seed, "distort", copy, start)
            distorted = distort(scale_pixels(block), labels[start : start + len(block)], draw)
            images.append((distorted * 255).round_().to(torch.uint8))
    return replace(split, images=torch.cat(images), labels=labels.repeat(1 + copies))


def tell_duplicates(
    train: Tensor,
    test: Tensor,
    train_names: Sequence[str],
    test_names: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Say which test images are training images, too.

    Args:
        train: uint8 (N, …).
        test: uint8 (M, …).
        train_names: What the N are called.
        test_names: What the M are called.
        say: Takes the message.
    """
    rows = train.flatten(1).numpy()
    seen = {row.tobytes(): name for row, name in zip(rows, train_names, strict=True)}
    pairs = [
        f"{name} = {seen[key]}"
        for row, name in zip(test.flatten(1).numpy(), test_names, strict=True)
        if (key := row.tobytes()) in seen
    ]
    if pairs:
        say(
            f"warning: {count(len(pairs), 'test image')}"
            f" {'is a training image' if len(pairs) == 1 else 'are training images'}, too, which"
            f" makes test errors too few: {some_of(pairs)}"
        )


def take(names: Sequence[str], indices: Tensor) -> tuple[str, ...]:
    """Return the names at indices, int64 (M,)."""
    return tuple(names[i] for i in indices.tolist())


def some_of(names: Iterable[str]) -> str:
    """List names, the first of them if they are many."""
    every = [*names]
    more = f" and {len(every) - MOST_NAMED:,} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def check_class_names(names: Iterable[str], source: Path) -> None:
    """Refuse names of classes that cannot be printed in a line of a message, a table or a file.

    Raises:
        DataError: One is empty, has control characters such as line breaks, or is not in UTF-8.
    """
    for name in names:
        if name != printable(name):
            raise DataError(f"{source / printable(name)} has no name in UTF-8: rename it")
        if not name or any(unicodedata.category(letter) == "Cc" for letter in name):
            fault = "a line break, a tab or the like" if name else "nothing"
            raise DataError(f"{source} has a class with {fault} in its name, {name!r}: rename it")


def tail_split(split: Split, n: int) -> tuple[Split, Split]:
    """Divide a split in two: all but the last n images, and these.

    Raises:
        UsageError: `n` is not between 0 and len(split).
    """
    _check_share(split, n)
    places = torch.arange(len(split))
    return split.take(places[: len(split) - n]), split.take(places[len(split) - n :])


def stratified_split(split: Split, n: int, seed: int) -> tuple[Split, Split]:
    """Divide a split in two, each class in the same proportion.

    Args:
        split: What to split.
        n: Validation images, 0 to len(split).
        seed: Decides which.

    Returns:
        What remains, and the `n` validation images; both in the original order.

    Raises:
        UsageError: `n` is not between 0 and len(split).
    """
    _check_share(split, n)
    order = torch.randperm(len(split), generator=generator(seed, "hold out"))
    labels = split.labels.cpu()[order]
    counts = torch.bincount(labels, minlength=len(split.classes))
    shares = counts * n / len(split)
    quota = shares.floor().long()
    # Largest remainders get the images that rounding down left over.
    leftover = n - int(quota.sum())
    quota[(shares - quota).argsort(descending=True, stable=True)[:leftover]] += 1
    rank = torch.empty_like(labels)
    for label in range(len(split.classes)):
        of_class = labels == label
        rank[of_class] = torch.arange(int(of_class.sum()))
    chosen = torch.zeros(len(split), dtype=torch.bool)
    chosen[order] = rank < quota[labels]
    return split.take(torch.where(~chosen)[0]), split.take(torch.where(chosen)[0])


def _check_share(split: Split, n: int) -> None:
    if not 0 <= n <= len(split):
        raise UsageError(f"{n:,} images cannot be taken from {len(split):,}")
