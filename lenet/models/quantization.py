"""Weights on a grid of few bits: what a chip without floating point can store.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", for the grids; Bengio, Léonard and Courville 2013, "Estimating
or propagating gradients through stochastic neurons", for the straight-through gradient.
"""

import torch
from torch import Tensor

CLIPS = 16
"""How many largest weights are tried for a grid: 1, 15/16 … of the way down to half of it."""


def grid_step(weight: Tensor, bits: int) -> Tensor:
    """Return the step of each output channel's grid, the one with the least squared error.

    The grid has ``2^bits - 1`` values, symmetric about 0. A largest value below the largest weight
    cuts that weight off and places all others more finely.

    Args:
        weight: Shape (out, …).
        bits: 2 to 8.

    Returns:
        Shape (out, 1, …), positive, also where all weights are 0.
    """
    most = 2 ** (bits - 1) - 1
    rows = weight.detach().flatten(1)  # (out, n)
    largest = rows.abs().amax(dim=1).clamp(min=1e-12)
    shares = torch.linspace(1, 0.5, CLIPS, dtype=rows.dtype, device=rows.device)
    steps = shares[:, None] * largest / most  # (CLIPS, out)
    rounded = (rows / steps[:, :, None]).round().clamp(-most, most) * steps[:, :, None]
    best = (rounded - rows).square().sum(dim=2).argmin(dim=0)  # (out,)
    step: Tensor = steps.gather(0, best[None])[0]
    return step.view(-1, *[1] * (weight.dim() - 1))


def to_integers(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round weights to their grid.

    Returns:
        Integers in ±(2^(bits - 1) - 1), in the weight's shape and dtype, and the step of each
        output channel, (out, 1, …): the weights are nearly their product.
    """
    step = grid_step(weight, bits)
    most = 2 ** (bits - 1) - 1
    return (weight / step).round().clamp(-most, most), step
