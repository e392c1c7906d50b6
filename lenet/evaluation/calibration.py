"""How far a network knows when it is wrong: rejection and calibration."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lenet.tables import Table


def margins(outputs: Tensor, kind: str) -> Tensor:
    """Return how far the best class leads the second best, float32 (N,).

    Args:
        outputs: What a network puts out, (N, classes).
        kind: ``penalties`` or ``logits``.

    Source: Section III.C.9 of the 1998 paper: patterns are rejected whose two best class scores
    differ by less than a threshold.
    """
    logits = -outputs if kind == "penalties" else outputs
    best = logits.topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


@dataclass(frozen=True)
class RejectionCurve:
    """What remains wrong when the least sure images are rejected, one by one.

    Position k of both tensors: k images are rejected, 0 to N.
    """

    errors: Tensor
    """Errors among the accepted, int64 (N + 1,)."""

    @property
    def n(self) -> int:
        """How many images there are."""
        return len(self.errors) - 1

    @property
    def rejected(self) -> Tensor:
        """Share of the images that is rejected, 0 to 1, float64 (N + 1,)."""
        return torch.arange(self.n + 1, dtype=torch.float64) / self.n

    @property
    def error_rate(self) -> Tensor:
        """Share of the accepted images that is wrong, float64 (N + 1,); 0 where none is left."""
        accepted = torch.arange(self.n, -1, -1).clamp(min=1)
        return self.errors.double() / accepted

    def rejected_for(self, error_rate: float) -> float:
        """Return the smallest share of images to reject for an error rate on the others.

        Args:
            error_rate: Of the accepted images, 0 to 1; the paper's Figure 10 takes 0.005.
        """
        return float(self.rejected[self.error_rate <= error_rate][0])


def reject(margin: Tensor, wrong: Tensor) -> RejectionCurve:
    """Reject images by rising margin.

    Args:
        margin: How sure the network is of each image, (N,).
        wrong: Whether it is wrong, bool (N,). Of images with the same margin the right ones are
            rejected first, so that the curve flatters nobody.
    """
    order = sorted(range(len(margin)), key=lambda i: (float(margin[i]), bool(wrong[i])))
    rejected_errors = wrong[torch.tensor(order, dtype=torch.int64)].cumsum(0)
    total = rejected_errors[-1:] if len(order) else torch.zeros(1, dtype=torch.int64)
    return RejectionCurve(torch.cat([total, total - rejected_errors]).cpu())


@dataclass(frozen=True)
class Calibration:
    """Images in bins by the probability of their predicted class; the bins are equally wide."""

    n: Tensor
    """Images in each bin, int64 (bins,)."""
    hits: Tensor
    """Of them, correctly classified, int64 (bins,)."""
    confidence_sum: Tensor
    """The sum of their probabilities, float64 (bins,)."""

    @property
    def confidence(self) -> Tensor:
        """Mean probability in each bin, float64 (bins,); 0 in empty ones."""
        return self.confidence_sum / self.n.clamp(min=1)

    @property
    def accuracy(self) -> Tensor:
        """Share of hits in each bin, float64 (bins,); 0 in empty ones."""
        return self.hits.double() / self.n.clamp(min=1)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean gap between probability and hits, over images.

        Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
        """
        gaps = (self.hits - self.confidence_sum).abs()
        return float(gaps.sum() / self.n.sum())


def calibrate(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Calibration:
    """Sort images into bins by the probability of their most probable class.

    Args:
        probabilities: Of each class, (N, classes).
        labels: int64 (N,).
        bins: How many; a probability on the border belongs to the lower bin, as in Guo et al.
    """
    confidence, said = probabilities.double().max(1)
    place = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    right = (said == labels).long()
    zeros = torch.zeros(bins, dtype=torch.int64, device=labels.device)
    return Calibration(
        n=zeros.index_add(0, place, torch.ones_like(right)).cpu(),
        hits=zeros.index_add(0, place, right).cpu(),
        confidence_sum=zeros.double().index_add(0, place, confidence).cpu(),
    )


@dataclass(frozen=True)
class Reliability:
    """What a network's sureness is worth."""

    curve: RejectionCurve
    calibration: Calibration

    def as_dict(self) -> dict[str, float]:
        """Return the numbers of the table for JSON; all are shares, 0 to 1."""
        return {
            "rejected_for_0.5_percent": self.curve.rejected_for(0.005),
            "rejected_for_0.1_percent": self.curve.rejected_for(0.001),
            "expected_calibration_error": self.calibration.expected_error,
        }


def reliability_table(found: Mapping[str, Reliability]) -> Table:
    """Return the reliability of several networks, by their names."""
    headings = ["network", "rejected, for 0.5 % errors", "for 0.1 %", "expected calibration error"]
    rows = [
        [name, *(f"{100 * value:.2f} %" for value in reliability.as_dict().values())]
        for name, reliability in found.items()
    ]
    return Table(headings, rows)
