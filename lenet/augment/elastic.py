"""Elastic distortion: white noise, smoothed, displaces each pixel.

How a field is drawn without drawing a random number for each pixel: see `lenet.augment.smoothing`.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from lenet.augment.arguments import number, numbers
from lenet.augment.sampling import Displacement
from lenet.augment.smoothing import smoothing_factor
from lenet.augment.transform import Parameters, Size


class ElasticTransform(Displacement):
    """Displace each pixel by a smooth random field.

    Args:
        alpha: Strength, in [0, 10000], or (x, y): noise uniform in ±1 is smoothed and multiplied
            by alpha/2 pixels.
        sigma: Standard deviation in pixels of the Gaussian that smooths, in [0, 1000], or (x, y).
            Its kernel spans 8 sigma + 1 pixels, one more if that is even; the field is reflected at
            its border.
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
        self.alpha = _one_or_two(self, "alpha", alpha, 10_000)
        self.sigma = _one_or_two(self, "sigma", sigma, 1000)

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


def _one_or_two(
    owner: object, argument: str, value: float | Sequence[float], most: float
) -> tuple[float, ...]:
    if isinstance(value, list | tuple):
        return numbers(owner, argument, value, 2, 0, most)
    return (number(owner, argument, value, 0, most),) * 2
