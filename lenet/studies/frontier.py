"""Errors against parameters: how few test errors a network of each size makes, ours and others'."""

from dataclasses import dataclass
from typing import Any

from lenet.evaluation.classifier import build_classifier
from lenet.studies.study import ACCURACY, ERRORS, Column, Measured, Row, Study


@dataclass(frozen=True)
class Claim:
    """What others say of a network of theirs.

    Attributes:
        parameters: Trainable numbers; of an ensemble, those of all its networks.
        errors: Of the 10,000 test images; a mean where several seeds were trained.
        watched: Whether the epoch or the network was chosen by its test errors, which makes them
            fewer than those of a network that was not.
        source: Who says so.
    """

    parameters: int
    errors: float
    watched: bool
    source: str


CLAIMS = (
    Claim(697, 100, True, "JoshWarn/Parameter-Efficient-MNIST"),
    Claim(7_918, 48, True, "snehanshu-raj/ERA"),
    Claim(12_674, 54, True, "gokul-pv"),
    Claim(15_794, 41, True, "divya-r-kamat/EfficientMnist-Under20K"),
    Claim(19_042, 58, True, "rrishabh27/EVA5"),
    Claim(2_578, 170, False, "LeNet-1, LeCun et al. 1998"),
    Claim(60_000, 95, False, "LeNet-5, LeCun et al. 1998"),
    Claim(60_000, 80, False, "LeNet-5 with distortions, LeCun et al. 1998"),
    Claim(1_200_000, 25.3, False, "Matuzas, MNIST-0.17, mean of 20 seeds"),
    Claim(24_000_000, 17.0, False, "Matuzas, MNIST-0.17, 20 together"),
    Claim(1_514_187, 17, True, "Byerly et al. 2020"),
)
"""Public figures; those of repositories are from their READMEs."""


def count_parameters(measured: Measured) -> int:
    """Return the trainable numbers of a row's network; of an ensemble, of all its networks."""
    model = build_classifier(measured.runs[0].config).model
    networks = len(measured.together["runs"]) if measured.together else 1
    return networks * sum(weights.numel() for weights in model.parameters())


def find_best(parameters: int) -> Claim | None:
    """Return the public figure of the fewest errors with at most so many parameters, or None."""
    smaller = [claim for claim in CLAIMS if claim.parameters <= parameters]
    return min(smaller, key=lambda claim: claim.errors, default=None)


def _others(measured: Measured) -> str:
    claim = find_best(count_parameters(measured))
    if claim is None:
        return "—"
    watched = ", watched" if claim.watched else ""
    return f"{claim.errors:g} ({claim.parameters:,}{watched})"


def _details(measured: Measured) -> dict[str, Any]:
    return {"parameters": count_parameters(measured)}


FRONTIER = Study(
    "frontier",
    "network",
    (
        Row(label="LeNet-1", config="paper/lenet1"),
        Row(label="LeNet-5 of 1998", config="paper/lenet5"),
        Row(label="LeNet-5 of 1998, distortions", config="paper/lenet5-distorted"),
        Row(label="compact, 2,000", config="modern/compact-2k"),
        Row(label="five of these 2,000", config="modern/compact-2k", ensemble=True),
        Row(label="compact, 8,000", config="modern/compact-8k"),
        Row(label="five of these 8,000", config="modern/compact-8k", ensemble=True),
        Row(label="compact, 20,000", config="modern/compact-20k"),
        Row(label="five of these 20,000", config="modern/compact-20k", ensemble=True),
        Row(label="chip, 4 bits", config="modern/chip", seeds=2),
        Row(label="chip, fine-tuned", config="modern/chip-fine-tuned", seeds=3),
        Row(label="modern LeNet-5, plain", config="modern/plain"),
        Row(label="modern LeNet-5", config="modern/lenet5"),
        Row(label="five of these LeNet-5s", config="modern/lenet5", ensemble=True),
        Row(label="compact", config="modern/compact"),
        Row(label="five of these compact", config="modern/compact", ensemble=True),
    ),
    (
        Column("parameters", lambda m: f"{count_parameters(m):,}"),
        ERRORS,
        ACCURACY,
        Column("fewest elsewhere (parameters)", _others, left=True, optional=True),
    ),
    _details,
    notes=(
        "Watched: the epoch or the network was chosen by its test errors; such figures are lower"
        " than those of networks that were not.",
    ),
)
"""The networks of this project by size, beside the public figures."""
