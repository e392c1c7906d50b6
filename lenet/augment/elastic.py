"""Elastic distortion: white noise, smoothed, displaces each pixel.

Smoothing a field N of H×W with a Gaussian is linear and separable: G N Gᵀ, with one matrix G for
the rows and one for the columns. G is close to a matrix of low rank, since a smooth field has few
degrees of freedom: with G = U S Vᵀ, and N white and normal, Vᵀ N V is white and normal too. So a
core C of k×k normal numbers, spread out as (U S) C (U S)ᵀ, has the same distribution as the
smoothed field; at σ = 4 on 28 pixels k is 8, and a core is 64 numbers instead of 784.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor

from lenet.augment.arguments import number, numbers
from lenet.augment.sampling import Displacement, Field, reflect
from lenet.augment.transform import Parameters, Size

SMOOTH = 4.0
"""Sigma in pixels from which a smoothed value sums so many draws that it is as good as normal."""

DROPPED_VARIANCE = 1e-5
"""Share of a field's variance that the core may lose along each axis."""


class ElasticTransform(Displacement):
    """Displace each pixel by a smooth random field.

    Args:
        alpha: Strength, in [0, 10000], or (x, y): noise uniform in ±1 is smoothed and multiplied
            by alpha/2 pixels.
        sigma: Standard deviation in pixels of the smoothing Gaussian, in [0, 1000], or (x, y). Its
            kernel spans 8 sigma + 1 pixels, one more if that is even; the field is reflected at
            its border.
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.
        p: Probability of an image being transformed, in [0, 1].

    Source: Simard et al. 2003, section 2. Its α of 34 at σ = 4 multiplies pixels, so it is 68 here
    and in torchvision, which halves it.

    Deviation: from sigma 4 on the noise is normal, with the variance 1/3 of torchvision's uniform
    noise. A smoothed value sums so many draws that the fields agree in distribution: no probability
    differs by more than 0.0003 inside an image, 0.001 in its corners. If a sigma is below 4, the
    noise is uniform, one draw per pixel, and the distribution is torchvision's own. Sigmas whose
    kernel is wider than twice the image are accepted: the field is reflected again; torchvision
    refuses them. Where sigma differs along x and y, the kernel is wide enough for both;
    torchvision's is not. torchvision counts the background twice on the frame's border; see
    `lenet.augment.sampling`.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.alpha = _one_or_two(self, "alpha", alpha, 10_000)
        self.sigma = _one_or_two(self, "sigma", sigma, 1000)
        self._smooth = min(self.sigma) >= SMOOTH

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``core``, white noise of variance 1, (B, 2, k_y, k_x)."""
        rows, columns = self._factors(size)
        shape = (batch, 2, rows.shape[1], columns.shape[1])
        if self._smooth:
            return {"core": torch.randn(shape, generator=generator)}
        return {"core": torch.rand(shape, generator=generator).sub_(0.5).mul_(sqrt(12))}

    def field(self, parameters: Parameters, size: Size) -> Field:
        """Return the field of the drawn cores."""
        core = parameters["core"]
        rows, columns = (factor.to(core.device, core.dtype) for factor in self._factors(size))
        strength = core.new_tensor(self.alpha).mul_(sqrt(1 / 3) / 2).view(2, 1, 1)
        return Field(rows, columns, core * (strength * parameters["applied"].view(-1, 1, 1, 1)))

    def _factors(self, size: Size) -> tuple[Tensor, Tensor]:
        """Return the factors that spread a core over rows, (H, k_y), and columns, (W, k_x)."""
        sigma_x, sigma_y = self.sigma
        kernel = int(8 * max(self.sigma) + 1) // 2 * 2 + 1
        factor = smoothing_factor if self._smooth else smoothing_matrix
        return factor(size[0], sigma_y, kernel), factor(size[1], sigma_x, kernel)


def _one_or_two(
    owner: object, argument: str, value: float | Sequence[float], most: float
) -> tuple[float, ...]:
    if isinstance(value, list | tuple):
        return numbers(owner, argument, value, 2, 0, most)
    return (number(owner, argument, value, 0, most),) * 2


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
