"""Elastic distortion: white noise, smoothed, displaces each pixel.

Smoothing a field N of H×W with a Gaussian is linear and separable: G N Gᵀ, with one matrix G for
the rows and one for the columns. G is close to a matrix of low rank, since a smooth field has few
degrees of freedom: with G = U S Vᵀ, and N white and normal, Vᵀ N V is white and normal too. So a
core C of k×k normal numbers, spread out as (U S) C (U S)ᵀ, has the same distribution as the
smoothed field, and at σ = 4 on 28 pixels k is 12 instead of 28: a fifth of the random numbers.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf, sqrt

import torch
from torch import Tensor

from lenet.augment.arguments import number, numbers
from lenet.augment.sampling import Displacement
from lenet.augment.transform import Parameters, Size

DROPPED_VARIANCE = 1e-5
"""Share of a field's variance that the core may lose along each axis."""


class ElasticTransform(Displacement):
    """Displace each pixel by a smooth random field.

    Args:
        alpha: Strength, ≥ 0: noise uniform in ±1 is smoothed and multiplied by alpha/2 pixels.
            One number, or (x, y).
        sigma: Standard deviation of the Gaussian that smooths, in pixels, ≥ 0; one number, or
            (x, y). Its kernel spans 8 sigma + 1 pixels (odd); the field is reflected at its border.
        interpolation: ``bilinear`` or ``nearest``.
        fill: What comes in from outside, ink in [0, 1].
        p: Probability of an image being transformed, in [0, 1].

    Source: Simard et al. 2003, section 2. Its α of 34 at σ = 4 multiplies pixels, so it is 68 here
    and in torchvision, which halves it.

    Deviation: the white noise is normal with the variance 1/3 of torchvision's uniform noise. A
    smoothed value sums dozens of them, so the fields agree. Sigmas that torchvision refuses, since
    the kernel would be wider than twice the image, are accepted: the field is reflected again.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: str = "bilinear",
        fill: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.alpha = _one_or_two(self, "alpha", alpha)
        self.sigma = _one_or_two(self, "sigma", sigma)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``core_x`` and ``core_y``, standard normal (B, k_y, k_x) each."""
        cores = {}
        for axis, name in enumerate(("core_x", "core_y")):
            rows, columns = self._factors(axis, size)
            shape = (batch, rows.shape[1], columns.shape[1])
            cores[name] = torch.randn(shape, generator=generator)
        return cores

    def displacement(self, parameters: Parameters, size: Size) -> Tensor:
        """Spread the cores out to fields in pixels, (B, 2, H, W)."""
        fields = []
        for axis, name in enumerate(("core_x", "core_y")):
            core = parameters[name] * parameters["applied"].view(-1, 1, 1)  # (B, k_y, k_x)
            rows, columns = (f.to(core.device, core.dtype) for f in self._factors(axis, size))
            fields.append(rows @ (core @ columns.T))  # (B, H, W)
        return torch.stack(fields, 1)

    def _factors(self, axis: int, size: Size) -> tuple[Tensor, Tensor]:
        """Return what spreads a core over rows (H, k_y) and over columns (W, k_x)."""
        # torchvision's kernel has the width of the field's own sigma along both axes.
        kernel = int(8 * self.sigma[axis] + 1) // 2 * 2 + 1
        strength = self.alpha[axis] / 2 * sqrt(1 / 3)
        sigma_x, sigma_y = self.sigma if self.sigma[axis] > 0 else (0.0, 0.0)
        rows = smoothing_factor(size[0], sigma_y, kernel)
        columns = smoothing_factor(size[1], sigma_x, kernel)
        return rows * strength, columns


def smoothing_matrix(length: int, sigma: float, kernel: int) -> Tensor:
    """Return the matrix that smooths `length` values with a Gaussian, float64 (length, length).

    Args:
        length: Number of values, reflected at both ends without repeating the end.
        sigma: Standard deviation in pixels; at 0 nothing is smoothed.
        kernel: Number of taps, odd.
    """
    taps = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    weights = torch.exp(-0.5 * (taps / sigma) ** 2) if sigma > 0 else (taps == 0).double()
    period = max(2 * (length - 1), 1)
    at = (torch.arange(length)[:, None] + taps.long()) % period  # (length, kernel)
    at = torch.minimum(at, period - at) if length > 1 else torch.zeros_like(at)
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


def _one_or_two(owner: object, argument: str, value: float | Sequence[float]) -> tuple[float, ...]:
    if isinstance(value, list | tuple):
        return numbers(owner, argument, value, 2, 0, inf)
    return (number(owner, argument, value, 0, inf),) * 2
