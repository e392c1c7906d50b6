"""Training speed: ours, a bare loop over the same tensors, and torchvision with a DataLoader."""

import gzip
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from lenet.bench.augment import BOTH, CASES, TO_FLOAT, PictureDataset, loaded, torchvision_cases
from lenet.bench.measurement import Row, rate_table, ratio, take_turns, timed
from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.datasets import Split, load_dataset
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import SOURCES
from lenet.data.splits import make_splits
from lenet.evaluation.classifier import build_classifier
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.runs.run import Run
from lenet.tables import Table
from lenet.training.fused import choose_kernels, why_not
from lenet.training.train import train

OURS = "lenet train"
PYTORCH = f"{OURS} --set kernels=torch"
BARE = "bare loop over the same tensors"
LOADER = "torchvision, DataLoader, {} workers"
UNDISTORTED = f"{OURS}, images as they are"
AT_ONCE, ALONE = "five seeds at once, all their images", "one seed"
KERNELS, TORCH = "compiled kernels", "PyTorch"
REFERENCES = (BARE, ALONE, TORCH, UNDISTORTED)
"""The rows that ratios are to: each table has one of them."""
CPU = torch.device("cpu")
WORKERS = (0, 2)
IMAGES = 12_800
SEEDS = 5
BATCH = 128
PLAIN = (
    "model.batch_norm=false",
    "loss.label_smoothing=0",
    "optimizer={lr: 0.05, weight_decay: 0}",
    f"train={{epochs: 1, batch_size: {BATCH}, ema: 0}}",
)
"""Changes to ``modern/plain`` that turn off everything the usual script lacks."""


def measure(data: Path | None, rounds: int) -> dict[str, list[Row]]:
    """Return images/s of training on MNIST, batch 128, and of evaluation, by question.

    Raises:
        RunError: MNIST cannot be found or downloaded.
    """
    dataset = load_dataset("mnist", data)
    few = f"data.train_size={IMAGES}", "evaluate.every=1000", "evaluate.pictures=false"
    plain, normed = plain_config(*few), plain_config(*few, "model.batch_norm=true")
    compact = plain_config(*few, "model={kind: compact}", "input.size=28")
    splits = make_splits(dataset, plain, CPU)
    has_kernels = why_not(plain, CPU) is None
    with tempfile.TemporaryDirectory() as folder:

        def ours(
            config: Config, kernels: Literal["auto", "torch", "fast"], seeds: int = 1
        ) -> float:
            runs = []
            for seed in range(seeds):
                chosen = config.model_copy(update={"kernels": kernels, "seed": seed})
                runs.append(Run.create("bench", chosen, Path(folder), overwrite=True))
            train(runs[0].config, runs, splits, CPU)
            return float(runs[0].lines("timing.jsonl")[0]["images_per_second"])

        def beside_torch(config: Config) -> dict[str, Callable[[], float]]:
            work: dict[str, Callable[[], float]] = {OURS: partial(ours, config, "auto")}
            if choose_kernels(config, CPU) == "fast":
                work[PYTORCH] = partial(ours, config, "torch")
            return work

        loops = beside_torch(plain) | {BARE: timed(lambda: _bare_loop(splits.train))}
        root = _torchvision_root(Path(dataset.source), Path(folder))
        for workers in WORKERS:
            loops[LOADER.format(workers)] = timed(_torchvision_loop(root, workers))
        normed_loops = beside_torch(normed)
        normed_loops[BARE] = timed(lambda: _bare_loop(splits.train, batch_norm=True))
        distorted = plain.model_copy(update={"augment": CASES[BOTH]})
        groups: dict[str, dict[str, Callable[[], float]]] = {
            "LeNet-5": loops,
            "LeNet-5 with batch norm": normed_loops,
            "affine and elastic": {
                OURS: partial(ours, distorted, "auto"),
                UNDISTORTED: partial(ours, plain, "auto"),
                **_distorting_loops(dataset.train),
            },
            "five seeds": {
                AT_ONCE: partial(ours, plain, "auto", SEEDS),
                ALONE: partial(ours, plain, "auto"),
            },
        }
        if has_kernels:
            groups["compact"] = {
                KERNELS: partial(ours, compact, "fast"),
                TORCH: partial(ours, compact, "torch"),
            }
            evaluated = {"LeNet-5": plain, "LeNet-5 with batch norm": normed, "compact": compact}
            for name, config in evaluated.items():
                groups[f"evaluation of {name}"] = {
                    KERNELS: timed(partial(_infer, config, "fast", splits.test)),
                    TORCH: timed(partial(_infer, config, "torch", splits.test)),
                }
        return {name: take_turns(work, rounds) for name, work in groups.items()}


def tables(groups: dict[str, list[Row]]) -> list[Table]:
    """Return the measurements as tables; ratios are to the row among `REFERENCES`."""
    references = (row.name for rows in groups.values() for row in rows if row.name in REFERENCES)
    found = []
    for (name, rows), reference in zip(groups.items(), references, strict=True):
        table = rate_table(rows, reference, what=name)
        loaders = [row.name for row in rows if row.name in map(LOADER.format, WORKERS)]
        if loaders:
            times = " and ".join(f"{ratio(rows, OURS, loader):.0f} times" for loader in loaders)
            note = f"{OURS} is {times} as fast as the DataLoader without workers and with two."
            table = replace(table, notes=[note])
        found.append(table)
    return found


def plain_config(*changes: str) -> Config:
    """Return one epoch of LeNet-5 as any script trains it, with ``section.key=value`` changes."""
    return load_config("modern/plain", [*PLAIN, *changes]).config


def _infer(config: Config, kernels: Literal["torch", "fast"], split: Split) -> int:
    replace(build_classifier(config), kernels=kernels).infer(split.images)
    return len(split)


def _network(batch_norm: bool = False) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = LeNet5Modern(batch_norm=batch_norm)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)


def _bare_loop(split: Split, batch_norm: bool = False) -> int:
    """Train as any script does: permute, slice, scale, step."""
    model, optimizer = _network(batch_norm)
    preprocess = Preprocessing("standard", 32)
    order = torch.randperm(len(split))
    for start in range(0, len(split), BATCH):
        chosen = order[start : start + BATCH]
        inputs = preprocess(split.images[chosen].float() / 255)
        _step(model, optimizer, inputs, split.labels[chosen])
    return len(split)


def _torchvision_root(source: Path, folder: Path) -> Path:
    """Lay out MNIST as torchvision expects it: decompressed, in MNIST/raw."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in SOURCES["mnist"].files:
        packed = source / f"{file}.gz"
        content = gzip.decompress(packed.read_bytes()) if packed.exists() else None
        (raw / file).write_bytes(content or (source / file).read_bytes())
    return folder


def _torchvision_loop(root: Path, workers: int) -> Callable[[], int]:
    """Return the loop of the usual example: PIL images, transforms, DataLoader."""
    from torchvision import datasets, transforms

    transform = transforms.Compose(
        [
            transforms.Pad(2),
            transforms.ToTensor(),
            transforms.Normalize((0.1307,), (0.3081,)),
        ]
    )
    images = torch.utils.data.Subset(
        datasets.MNIST(root, train=True, transform=transform), range(IMAGES)
    )
    loader = DataLoader(images, batch_size=BATCH, shuffle=True, num_workers=workers)

    def loop() -> int:
        model, optimizer = _network()
        for inputs, labels in loader:
            _step(model, optimizer, inputs, labels)
        return IMAGES

    return loop


def _distorting_loops(split: Split) -> dict[str, Callable[[], float]]:
    """Return the same loop with torchvision's distortions, timed for a second: it is slow."""
    to_input = [v2.Pad(2), *TO_FLOAT, v2.Normalize((0.1307,), (0.3081,))]
    pictures = PictureDataset(split, [*torchvision_cases()[BOTH], *to_input])
    return {
        LOADER.format(workers): loaded(pictures, workers, BATCH, partial(_step, *_network()))
        for workers in WORKERS
    }


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, labels: torch.Tensor
) -> None:
    loss = F.cross_entropy(model(inputs), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
