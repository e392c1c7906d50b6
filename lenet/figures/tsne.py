"""t-distributed stochastic neighbour embedding: many dimensions drawn in two.

Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008.
"""

import torch
from torch import Tensor

EXAGGERATION = 12.0
"""Factor on the affinities in the first quarter of the steps, so that clusters can separate."""


def neighbour_affinities(points: Tensor, perplexity: float) -> Tensor:
    """Return the nearness of all pairs of points as joint probabilities, (N, N), sum 1.

    Args:
        points: (N, units).
        perplexity: The number of neighbours that each point effectively has, below N.
    """
    squares = torch.cdist(points, points).square()
    squares.fill_diagonal_(torch.inf)
    # Bisect each point's width until its distribution has the entropy of that many neighbours.
    low, high = squares.new_zeros(len(points), 1), squares.new_full((len(points), 1), torch.inf)
    precision = 1 / squares.min(1, keepdim=True).values.clamp(min=1e-12)
    for _ in range(50):
        conditional = torch.softmax(-squares * precision, 1)
        entropy = torch.special.entr(conditional).sum(1, keepdim=True)
        wide = entropy > torch.tensor(perplexity).log()
        low, high = torch.where(wide, precision, low), torch.where(wide, high, precision)
        precision = torch.where(high.isinf(), 2 * precision, (low + high) / 2)
    return (conditional + conditional.T) / (2 * len(points))


def embed(points: Tensor, perplexity: float = 30.0, steps: int = 400) -> Tensor:
    """Place points in the plane so that near ones stay near.

    It starts from the two principal components, so the same points always give the same picture.

    Args:
        points: float (N, units).
        perplexity: Effective number of neighbours; at most a third of the others, for with more
            all points are neighbours and clusters do not show.
        steps: Number of gradient steps.

    Returns:
        float32 (N, 2).
    """
    points = points.float()
    target = neighbour_affinities(points, min(perplexity, max((len(points) - 1) / 3, 1.0)))
    principal = torch.linalg.svd(points - points.mean(0), full_matrices=False)
    placed = principal.U[:, :2] * principal.S[:2]
    placed = placed / placed[:, 0].std() * 1e-2
    rate = len(points) / EXAGGERATION
    velocity = torch.zeros_like(placed)
    for step in range(steps):
        early = step < steps // 4
        kernel = _kernel(placed)  # (N, N)
        pull = torch.sub(target, kernel / kernel.sum() / (EXAGGERATION if early else 1))
        pull.mul_(kernel).mul_(EXAGGERATION if early else 1)
        gradient = 4 * (pull.sum(1, keepdim=True) * placed - pull @ placed)  # (N, 2)
        velocity = (0.5 if early else 0.8) * velocity - rate * gradient
        placed += velocity
    centred: Tensor = placed - placed.mean(0)
    return centred


def _kernel(placed: Tensor) -> Tensor:
    """Return 1 / (1 + squared distance) between points (N, 2) in the plane, 0 to themselves."""
    squares = placed.square().sum(1)
    kernel: Tensor = torch.addmm(squares[:, None] + squares, placed, placed.T, alpha=-2)
    kernel.clamp_(min=0).add_(1).reciprocal_().fill_diagonal_(0)
    return kernel
