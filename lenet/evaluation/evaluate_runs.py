"""Trained networks before the images that they are judged by, one by one or together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lenet.data.datasets import Dataset, Split
from lenet.data.own import load_images
from lenet.data.splits import make_splits
from lenet.device import choose_device
from lenet.errors import UsageError
from lenet.evaluation.calibration import Reliability, calibrate, margins, reject
from lenet.evaluation.classifier import Classifier, load_classifier
from lenet.evaluation.ensemble import DOUBTFUL, Opinions
from lenet.evaluation.evaluate import Result
from lenet.evaluation.suspects import Suspects
from lenet.losses import probabilities
from lenet.runs.find import name_run, open_runs
from lenet.runs.run import Run

Opened = tuple[Run, Classifier, Dataset, Split]
"""A run, its network, its dataset, and the images to look at."""


def evaluate_runs(
    names: Sequence[str],
    split: str,
    device: str = "auto",
    data: Path | None = None,
    draws: int = 0,
) -> dict[str, Result]:
    """Count the errors of trained networks on ``train``, ``validation`` or ``test`` images.

    Args:
        names: Runs, folders of several seeds, or ``published:NAME``.
        split: Which images.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        data: A folder to look for the datasets in first.
        draws: Average the outputs over so many draws of each run's own augmentation; 0: look at
            the images as they are.

    Returns:
        The results by the runs' names.

    Raises:
        UsageError: There is no such run, or no such split, or draws are asked for of a run without
            augmentation.
        RunError: Weights or data are missing or damaged.
    """
    results = {}
    for run, classifier, _, images in open_networks(names, split, device, data, lines=not draws):
        if not draws:
            results[name_run(run)] = classifier.evaluate(images)
            continue
        specs = run.config.augment or run.config.data.distort
        if not specs:
            raise UsageError(f"{name_run(run)} was trained without augmentation: nothing to draw")
        from lenet.augment.catalogue import build_pipeline  # needs torchvision

        augment = build_pipeline(specs)
        results[name_run(run)] = classifier.evaluate_draws(images, augment, draws, run.seed)
    return results


def probe_runs(
    names: Sequence[str], split: str, device: str = "auto", data: Path | None = None
) -> dict[str, Reliability]:
    """Measure how well trained networks know when they are wrong: rejection and calibration.

    See `evaluate_runs` for the arguments and errors.
    """
    found = {}
    for run, classifier, _, images in open_networks(names, split, device, data):
        outputs = classifier.infer(images.images)
        wrong = classifier.classify(outputs) != images.labels
        found[name_run(run)] = Reliability(
            reject(margins(outputs, classifier.outputs), wrong),
            calibrate(probabilities(outputs, classifier.outputs), images.labels),
        )
    return found


def ask_runs(
    names: Sequence[str], split: str, device: str = "auto", data: Path | None = None
) -> Opinions:
    """Ask trained networks together; see `evaluate_runs` for the arguments.

    Raises:
        UsageError: As `evaluate_runs`, and if the runs have different images.
        RunError: Weights or data are missing or damaged.
    """
    return _ask(list(open_networks(names, split, device, data)), split)


def suspect_runs(
    names: Sequence[str], split: str, device: str = "auto", data: Path | None = None
) -> Suspects:
    """Find the images whose label trained networks doubt; see `ask_runs`."""
    opened = list(open_networks(names, split, device, data))
    run, _, dataset, _ = opened[0]
    # The same division, of the images' numbers instead of the images.
    train, test = (
        replace(part, images=torch.arange(len(part))) for part in (dataset.train, dataset.test)
    )
    numbered = make_splits(
        replace(dataset, train=train, test=test), run.config, torch.device("cpu"), copies=False
    )
    places = getattr(numbered, split).images
    opinions = _ask(opened, split)
    # Distorted copies follow the originals, in the same order.
    places = places.repeat(len(opinions.labels) // len(places))
    files = dataset.files and dataset.files[split == "test"]
    return Suspects(opinions, split, places, files)


def check_alike(opened: Sequence[Opened], split: str) -> None:
    """Refuse runs whose images differ: their errors cannot be compared.

    Raises:
        UsageError: They differ.
    """
    first, _, _, images = opened[0]
    for run, _, _, others in opened:
        if not torch.equal(others.images, images.images):
            raise UsageError(f"{name_run(run)} has other {split} images than {name_run(first)}")


def _ask(opened: Sequence[Opened], split: str) -> Opinions:
    """Ask the networks of opened runs together."""
    check_alike(opened, split)
    _, _, dataset, images = opened[0]
    return Opinions(
        names=[name_run(run) for run, *_ in opened],
        probabilities=torch.stack([n(images.images).cpu() for _, n, *_ in opened]),
        split=images.to("cpu"),
        doubtful=DOUBTFUL
        if (dataset.name, dataset.files, split) == ("mnist", None, "test")
        else {},
    )


def open_networks(
    names: Sequence[str], split: str, device: str, data: Path | None, lines: bool = False
) -> Iterator[Opened]:
    """Yield each run, its network, its dataset and the images to look at.

    Args:
        names: Runs, folders of several seeds, or ``published:NAME``.
        split: ``train``, ``validation`` or ``test``.
        device: Where to compute, by the name that users give.
        data: A folder to look for the datasets in first.
        lines: Whether networks that read lines are wanted, too.

    Raises:
        UsageError: There is no such run or split, or it has no images.
        RunError: Weights or data are missing or damaged.
    """
    known = ("train", "validation", "test")
    if split not in known:
        raise UsageError(f"there is no split {split!r}; there are {', '.join(known)}")
    chosen = choose_device(device)
    datasets: dict[str, Dataset] = {}
    for run in [run for name in names for run in open_runs(name)]:
        kernels = run.read_json("environment.json").get("kernels", "torch")
        classifier = replace(load_classifier(run, chosen, lines=lines), kernels=kernels)
        name = run.read_json("result.json")["dataset"] if run.finished else run.config.data.name
        key = name + run.config.data.model_dump_json()
        if split == "train" and run.config.data.strings is not None:
            raise UsageError(
                f"{name_run(run)} learned from lines that were composed anew in each epoch;"
                " --split validation and test have lines that stay"
            )
        if key not in datasets:
            datasets[key] = load_images(run.config.data, data, trained_on=name)
        splits = make_splits(datasets[key], run.config, chosen, copies=split == "train")
        images = getattr(splits, split)
        if not len(images):
            raise UsageError(f"{name_run(run)} has no {split} images")
        yield run, classifier, datasets[key], images
