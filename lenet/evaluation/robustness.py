"""Errors of networks on distorted images: shift, rotation, scale, shear, noise, occlusion, …"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from lenet.augment.geometry import RandomAffine
from lenet.data.datasets import Split
from lenet.data.preprocessing import scale_pixels
from lenet.data.splits import stratified_split
from lenet.evaluation.classifier import Classifier
from lenet.rng import generator
from lenet.tables import Table


@dataclass(frozen=True)
class Distortion:
    """One way to distort images, and the amounts that are tried."""

    unit: str
    amounts: tuple[float, ...]
    """The first one changes nothing."""
    apply: Callable[[Tensor, float, torch.Generator], Tensor]
    """Images (B, 1, H, W), amount, generator → images."""
    claim: float | None = None
    """The amount up to which the 1998 paper says that LeNet-5 recognizes characters.

    Source: Section III.E and Figure 13: size by a factor of about 2, vertical shift by about half
    the height of the character (10 of 20 pixels), rotation by ±30°, and salt and pepper on 10 % of
    the pixels.
    """


@dataclass(frozen=True)
class Measurement:
    """The errors of one experiment's networks on images distorted in one way."""

    experiment: str
    distortion: str
    unit: str
    amounts: list[float]
    errors: list[list[int]]
    """(seeds, amounts)"""
    n: int
    """Images."""
    claim: float | None

    @property
    def percents(self) -> list[float]:
        """Mean error over the seeds at each amount, in per cent."""
        seeds = len(self.errors)
        return [100 * sum(column) / seeds / self.n for column in zip(*self.errors, strict=True)]


def measure_robustness(
    classifiers: Sequence[tuple[str, Sequence[Classifier]]],
    split: Split,
    images: int | None,
    seed: int = 0,
) -> list[Measurement]:
    """Count the errors of networks on distorted images.

    Each image is shifted, rotated and so on in a direction of its own, the same for all networks
    and amounts.

    Args:
        classifiers: Names of experiments and their networks, one per seed, on the split's device.
        split: The images.
        images: How many of them to use, stratified by class; None: all.
        seed: Of the directions and of the noise.
    """
    if images is not None and images < len(split):
        _, split = stratified_split(split, images, seed)
    pictures = scale_pixels(split.images)
    found = []
    for name, distortion in DISTORTIONS.items():
        errors: dict[str, list[list[int]]] = {e: [[] for _ in nets] for e, nets in classifiers}
        for amount in distortion.amounts:
            draw = generator(seed, "viewpoint")
            changed = distortion.apply(pictures.cpu(), amount, draw).to(pictures.device)
            for experiment, nets in classifiers:
                for counts, classifier in zip(errors[experiment], nets, strict=True):
                    wrong = classifier.classify(classifier.infer(changed)) != split.labels
                    counts.append(int(wrong.sum()))
        found += [
            Measurement(
                experiment, name, distortion.unit, list(distortion.amounts), errors[experiment],
                len(split), distortion.claim,
            )
            for experiment, _ in classifiers
        ]  # fmt: skip
    return found


def make_tables(measurements: Sequence[Measurement]) -> list[Table]:
    """Return errors in per cent, a table per distortion with a row per experiment."""
    return [
        Table(
            [f"{name}, {distortion.unit}", *(f"{amount:g}" for amount in distortion.amounts)],
            [
                [m.experiment, *(f"{percent:.1f}" for percent in m.percents)]
                for m in measurements
                if m.distortion == name
            ],
        )
        for name, distortion in DISTORTIONS.items()
    ]


def as_dicts(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return measurements for JSON."""
    return [asdict(m) for m in measurements]


def _moved(pictures: Tensor, **change: Tensor) -> Tensor:
    batch = len(pictures)
    still = {
        "applied": torch.ones(batch, dtype=torch.bool),
        "degrees": torch.zeros(batch),
        "shift_px": torch.zeros(batch, 2),
        "scale": torch.ones(batch),
        "shear": torch.zeros(batch, 2),
    }
    return RandomAffine().apply_to(pictures, still | change)


def _signs(batch: int, draw: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (batch,), generator=draw) * 2.0 - 1.0


def _shift(pictures: Tensor, pixels: float, draw: torch.Generator) -> Tensor:
    angle = torch.rand(len(pictures), generator=draw) * 2 * math.pi
    return _moved(pictures, shift_px=pixels * torch.stack([angle.cos(), angle.sin()], 1))


def _turn(pictures: Tensor, degrees: float, draw: torch.Generator) -> Tensor:
    return _moved(pictures, degrees=degrees * _signs(len(pictures), draw))


def _scale(pictures: Tensor, factor: float, draw: torch.Generator) -> Tensor:
    return _moved(pictures, scale=torch.full((len(pictures),), factor))


def _shear(pictures: Tensor, degrees: float, draw: torch.Generator) -> Tensor:
    along_x = degrees * _signs(len(pictures), draw)
    return _moved(pictures, shear=torch.stack([along_x, torch.zeros_like(along_x)], 1))


def _salt_and_pepper(pictures: Tensor, percent: float, draw: torch.Generator) -> Tensor:
    hit = torch.rand(pictures.shape, generator=draw) < percent / 100
    return torch.where(hit, 1 - pictures.round(), pictures)


def _occlude(pictures: Tensor, side: float, draw: torch.Generator) -> Tensor:
    """Cover a square with background, somewhere within the middle 20×20 pixels."""
    top, left = (torch.rand(2, len(pictures), 1, 1, 1, generator=draw) * (20 - side) + 4).floor()
    y = torch.arange(pictures.shape[2]).view(-1, 1)
    x = torch.arange(pictures.shape[3])
    covered = (y >= top) & (y < top + side) & (x >= left) & (x < left + side)
    return pictures.masked_fill(covered, 0.0)


def _fade(pictures: Tensor, percent: float, draw: torch.Generator) -> Tensor:
    return pictures * (percent / 100)


DISTORTIONS: dict[str, Distortion] = {
    "shift": Distortion("pixels", (0, 1, 2, 3, 4, 6, 8, 10), _shift, claim=10),
    "rotation": Distortion("degrees", (0, 10, 20, 30, 45, 60, 90), _turn, claim=30),
    "enlargement": Distortion("times", (1, 1.2, 1.4, 1.7, 2), _scale, claim=2),
    "reduction": Distortion("times", (1, 0.8, 0.65, 0.5, 0.4), _scale, claim=0.5),
    "shear": Distortion("degrees", (0, 10, 20, 30, 45), _shear),
    "noise": Distortion("% of pixels", (0, 2, 5, 10, 20, 30), _salt_and_pepper, claim=10),
    "occlusion": Distortion("pixels across", (0, 4, 6, 8, 10, 12), _occlude),
    "contrast": Distortion("%", (100, 70, 50, 30, 20, 10), _fade),
}
"""By name. Digits have 20×20 of the 28×28 pixels; what is moved out of the frame is lost."""
