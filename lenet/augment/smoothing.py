"""Gaussian smoothing of small images and fields, as matrix products.

Smoothing a field N of H×W with a Gaussian is linear and separable: G N Gᵀ, with one matrix G for
the rows and one for the columns. G is close to a matrix of low rank, since a smooth field has few
degrees of freedom: with G = U S Vᵀ, and N white and normal, Vᵀ N V is white and normal too. So a
core C of k×k normal numbers, spread out as (U S) C (U S)ᵀ, has the same distribution as the
smoothed field; at σ = 4 on 28 pixels k is 8, and a core is 64 numbers instead of 784.
"""

from functools import lru_cache

import torch
from torch import Tensor

DROPPED_VARIANCE = 1e-5
"""Share of a field's variance that the core may lose along each axis."""


def reflect(indices: Tensor, length: int) -> Tensor:
    """Fold indices into 0 … length - 1 by reflection that does not repeat the ends.

    Repeatedly if need be, unlike torch's padding by reflection.
    """
    if length == 1:
        return torch.zeros_like(indices)
    period = 2 * (length - 1)
    folded = indices % period
    return torch.minimum(folded, period - folded)


@lru_cache(maxsize=64)
def smoothing_matrix(length: int, sigma: float, kernel: int) -> Tensor:
    """Return the matrix that smooths `length` values with a Gaussian, float64 (length, length).

    Not to be written to.

    Args:
        length: Number of values, reflected at both ends without repeating the end.
        sigma: Standard deviation in pixels; at 0 nothing is smoothed.
        kernel: Number of taps, odd.
    """
    taps = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    weights = torch.exp(-0.5 * (taps / sigma) ** 2) if sigma > 0 else (taps == 0).double()
    at = reflect(torch.arange(length)[:, None] + taps.long(), length)  # (length, kernel)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    matrix.scatter_add_(1, at, (weights / weights.sum()).expand(length, kernel))
    return matrix


@lru_cache(maxsize=64)
def smoothing_factor(length: int, sigma: float, kernel: int) -> Tensor:
    """Return A with A Aᵀ = G Gᵀ but for `DROPPED_VARIANCE`, float32 (length, k), k ≤ length.

    G is the `smoothing_matrix`; A its left singular vectors times singular values, the k largest.
    """
    left, values, _ = torch.linalg.svd(smoothing_matrix(length, sigma, kernel))
    kept = torch.cumsum(values**2, 0) / (values**2).sum()
    k = int((kept < 1 - DROPPED_VARIANCE).sum()) + 1
    factor: Tensor = (left * values)[:, : min(k, length)].float().contiguous()
    return factor
