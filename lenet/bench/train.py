"""Training speed: ours, a bare loop over the same tensors, and torchvision with a DataLoader."""

import gzip
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lenet.bench.measurement import Row, rate_table, take_turns, timed
from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.datasets import Split, load_dataset
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import SOURCES
from lenet.data.splits import make_splits
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.runs.run import Run
from lenet.training.fused import choose_kernels
from lenet.training.train import train

OURS = "lenet train"
PYTORCH = f"{OURS} --set kernels=torch"
BARE = "bare loop over the same tensors"
IMAGES = 12_800
BATCH = 128
PLAIN = (
    "model.batch_norm=false",
    "loss.label_smoothing=0",
    "optimizer={lr: 0.05, weight_decay: 0}",
    f"train={{epochs: 1, batch_size: {BATCH}, ema: 0}}",
)
"""Changes to ``modern/plain`` that turn off everything the usual script lacks."""


def measure(data: Path | None, rounds: int) -> list[Row]:
    """Return images/s of one epoch over 12,800 MNIST images, LeNet-5, batch 128, no augmentation.

    Raises:
        RunError: MNIST cannot be found or downloaded.
    """
    dataset = load_dataset("mnist", data)
    device = torch.device("cpu")
    config = plain_config(f"data.train_size={IMAGES}", "evaluate.every=1000")
    splits = make_splits(dataset, config, device)
    with tempfile.TemporaryDirectory() as folder:

        def ours(kernels: Literal["auto", "torch"]) -> float:
            chosen = config.model_copy(update={"kernels": kernels})
            run = Run.create("bench", chosen, Path(folder), overwrite=True)
            train(chosen, [run], splits, device)
            return float(run.lines("timing.jsonl")[0]["images_per_second"])

        work: dict[str, Callable[[], float]] = {OURS: partial(ours, "auto")}
        if choose_kernels(config, device) == "fast":
            work[PYTORCH] = partial(ours, "torch")
        work[BARE] = timed(lambda: _bare_loop(splits.train))
        root = _torchvision_root(Path(dataset.source), Path(folder))
        for workers in (0, 2):
            loop = _torchvision_loop(root, workers)
            work[f"torchvision MNIST, DataLoader, {workers} workers"] = timed(loop)
        return take_turns(work, rounds)


def table(rows: list[Row]) -> str:
    """Return the measurements as a Markdown table; ratios are to the bare loop."""
    return rate_table(rows, BARE)


def plain_config(*changes: str) -> Config:
    """Return one epoch of LeNet-5 as any script trains it, with ``section.key=value`` changes."""
    return load_config("modern/plain", [*PLAIN, *changes]).config


def _network() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = LeNet5Modern()
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)


def _bare_loop(split: Split) -> int:
    """Train as any script does: permute, slice, scale, step."""
    model, optimizer = _network()
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


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, labels: torch.Tensor
) -> None:
    loss = F.cross_entropy(model(inputs), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
