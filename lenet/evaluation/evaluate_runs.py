"""Trained networks before the images that they are judged by, one by one or together."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from lenet.augment.catalogue import build_pipeline
from lenet.data.datasets import Dataset, Split, load_dataset
from lenet.data.splits import divide
from lenet.device import choose_device
from lenet.errors import UsageError
from lenet.evaluation.calibration import Reliability, calibrate, margins, reject
from lenet.evaluation.classifier import Network, load_network
from lenet.evaluation.ensemble import DOUBTFUL, Opinions
from lenet.evaluation.evaluate import Result
from lenet.losses import probabilities
from lenet.runs.find import find_members
from lenet.runs.run import Run


def evaluate_runs(
    names: Sequence[str],
    part: str,
    device: str = "auto",
    data: Path | None = None,
    draws: int = 0,
) -> dict[Path, Result]:
    """Count the errors of trained networks on ``train``, ``validation`` or ``test`` images.

    Args:
        names: Runs, folders of several seeds, or ``published:NAME``.
        part: Which images.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        data: A folder to look for the datasets in first.
        draws: Average the outputs over so many draws of each run's own augmentation; 0: look at
            the images as they are.

    Returns:
        The result of each run's folder.

    Raises:
        UsageError: There is no such run, or no such part, or draws are asked for of a run without
            augmentation.
        RunError: Weights or data are missing or damaged.
    """
    results = {}
    for run, network, _, split in _present(names, part, device, data):
        if not draws:
            results[run.folder] = network.evaluate(split)
            continue
        specs = run.config.augment or run.config.data.distort
        if not specs:
            raise UsageError(f"{run.folder} was trained without augmentation: nothing to draw")
        augment = build_pipeline(specs)
        results[run.folder] = network.evaluate_draws(split, augment, draws, run.seed)
    return results


def probe_runs(
    names: Sequence[str], part: str, device: str = "auto", data: Path | None = None
) -> dict[str, Reliability]:
    """Find out how far trained networks know when they are wrong.

    See `evaluate_runs` for the arguments and errors.
    """
    found = {}
    for run, network, _, split in _present(names, part, device, data):
        outputs = network.infer(split.images)
        wrong = network.classify(outputs) != split.labels
        found[str(run.folder)] = Reliability(
            reject(margins(outputs, network.outputs), wrong),
            calibrate(probabilities(outputs, network.outputs), split.labels),
        )
    return found


def ask_runs(
    names: Sequence[str], part: str, device: str = "auto", data: Path | None = None
) -> Opinions:
    """Ask trained networks together; see `evaluate_runs` for the arguments.

    Raises:
        UsageError: As `evaluate_runs`, and where members do not look at the same images.
        RunError: Weights or data are missing or damaged.
    """
    opened = list(_present(names, part, device, data))
    first, _, dataset, images = opened[0]
    for run, _, _, split in opened:
        if not torch.equal(split.images, images.images):
            raise UsageError(f"{run.folder} has other {part} images than {first.folder}")
    return Opinions(
        members=[str(run.folder) for run, *_ in opened],
        probabilities=torch.stack([n.probabilities(images.images).cpu() for _, n, *_ in opened]),
        labels=images.labels.cpu(),
        doubtful=DOUBTFUL if (dataset, part) == ("mnist", "test") else {},
    )


def _present(
    names: Sequence[str], part: str, device: str, data: Path | None
) -> Iterator[tuple[Run, Network, str, Split]]:
    """Yield each run, its network, its dataset's name and the images to look at."""
    parts = ("train", "validation", "test")
    if part not in parts:
        raise UsageError(f"no part {part!r}; there are {', '.join(parts)}")
    chosen = choose_device(device)
    datasets: dict[str, Dataset] = {}
    for run in [run for name in names for run in find_members(name)]:
        network = load_network(run, chosen)
        name = run.read_json("result.json")["dataset"] if run.finished else run.config.data.name
        if name not in datasets:
            datasets[name] = load_dataset(name, data or run.config.data.root)
        split = getattr(divide(datasets[name], run.config, chosen), part)
        if not len(split):
            raise UsageError(f"{run.folder} held no {part} images out")
        yield run, network, name, split
