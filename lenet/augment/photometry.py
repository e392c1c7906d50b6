"""Transforms of grey levels: noise, brightness, contrast, gamma, blur, sharpness."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from lenet.augment import tone
from lenet.augment.arguments import MOST, integer, interval, number, refuse, spread
from lenet.augment.draws import uniform
from lenet.augment.sampling import reflect
from lenet.augment.transform import BatchTransform, Parameters, Size


class GaussianNoise(BatchTransform):
    """Add Gaussian noise.

    Args:
        mean: Mean of the noise, in [-1, 1], where pixels are in [0, 1].
        sigma: Standard deviation of the noise, in [0, 1000].
        clip: Clamp the result to [0, 1]. A pipeline clamps its final result in any case.
        p: Probability of an image being transformed, in [0, 1].

    Deviation: the channels of an image get the same noise.
    """

    def __init__(
        self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.mean = number(self, "mean", mean, -1, 1)
        self.sigma = number(self, "sigma", sigma, 0, MOST)
        if not isinstance(clip, bool):
            raise refuse(self, "clip", clip, "true or false")
        self.clip = clip

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``noise``, standard normal (B, 1, H, W)."""
        return {"noise": torch.randn(batch, 1, *size, generator=generator)}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Add the noise."""
        noisy = torch.add(images + self.mean, parameters["noise"], alpha=self.sigma)
        return noisy.clamp_(0, 1) if self.clip else noisy


class ColorJitter(BatchTransform):
    """Change brightness and contrast, in random order.

    Args:
        brightness: Pixels are multiplied by a factor in [1 - brightness, 1 + brightness], or in
            (min, max) ≥ 0.
        contrast: Distances from the image's mean grey level are multiplied by a factor, likewise.
        p: Probability of an image being transformed, in [0, 1].

    Deviation: grey images have no saturation and no hue, so those arguments are missing; images in
    colour keep theirs.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0.0,
        contrast: float | Sequence[float] = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.brightness = spread(self, "brightness", brightness, 0, MOST, centre=1)
        self.contrast = spread(self, "contrast", contrast, 0, MOST, centre=1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``brightness`` and ``contrast``, and which images are ``brightened_first``."""
        return {
            "brightness": uniform(batch, *self.brightness, generator),
            "contrast": uniform(batch, *self.contrast, generator),
            "brightened_first": torch.rand(batch, generator=generator) < 0.5,
        }

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Brighten some images, change the contrast of all, brighten the others."""
        factors, first = parameters["brightness"], parameters["brightened_first"]
        changed = tone.adjust_brightness(images, torch.where(first, factors, 1))
        changed = tone.adjust_contrast(changed, parameters["contrast"])
        return tone.adjust_brightness(changed, torch.where(first, 1, factors))


class RandomGamma(BatchTransform):
    """Raise pixels to a power: strokes get thicker below 1 and thinner above 1.

    Args:
        gamma: (min, max) power, each in [0.001, 1000].
        gain: (min, max) factor of the result, each in [0, 1000].
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(
        self,
        gamma: Sequence[float] = (0.5, 2.0),
        gain: Sequence[float] = (1.0, 1.0),
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.gamma = interval(self, "gamma", gamma, 0.001, MOST)
        self.gain = interval(self, "gain", gain, 0, MOST)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``gamma`` and ``gain``, (B,)."""
        return {
            "gamma": uniform(batch, *self.gamma, generator),
            "gain": uniform(batch, *self.gain, generator),
        }

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Raise to the power."""
        return tone.adjust_gamma(images, parameters["gamma"], parameters["gain"])


class GaussianBlur(BatchTransform):
    """Blur with a Gaussian; the image is reflected at its border.

    Args:
        kernel_size: Width of the kernel in pixels, odd, in [1, 1000], or (width, height).
        sigma: (min, max) standard deviation in pixels, each in [0.001, 1000], or one number.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        sigma: float | Sequence[float] = (0.1, 2.0),
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        sides = kernel_size if isinstance(kernel_size, list | tuple) else (kernel_size,) * 2
        odd = f"an odd whole number in [1, {MOST}], or two of them"
        if len(sides) != 2:
            raise refuse(self, "kernel_size", kernel_size, odd)
        self.kernel_size = tuple(integer(self, "kernel_size", side, 1) for side in sides)
        if not all(side % 2 for side in self.kernel_size):
            raise refuse(self, "kernel_size", kernel_size, odd)
        ends = sigma if isinstance(sigma, list | tuple) else (sigma, sigma)
        self.sigma = interval(self, "sigma", ends, 0.001, MOST)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``sigma``, (B,)."""
        return {"sigma": uniform(batch, *self.sigma, generator)}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Blur rows and columns by one matrix product each."""
        across = self._matrices(parameters["sigma"], self.kernel_size[0], images.shape[-1])
        down = self._matrices(parameters["sigma"], self.kernel_size[1], images.shape[-2])
        return (down @ images @ across.mT).clamp_(0, 1)

    def _matrices(self, sigma: Tensor, kernel: int, length: int) -> Tensor:
        """Return the matrix that blurs `length` pixels, for each sigma, (B, 1, length, length)."""
        taps = torch.arange(kernel, dtype=sigma.dtype, device=sigma.device) - kernel // 2
        weights = torch.softmax(-0.5 * (taps / sigma.view(-1, 1)) ** 2, 1)  # (B, kernel)
        flat = weights @ tap_matrices(kernel, length).to(sigma.device, sigma.dtype)
        return flat.view(-1, 1, length, length)


@lru_cache(maxsize=16)
def tap_matrices(kernel: int, length: int) -> Tensor:
    """Return, for each tap of a kernel, the matrix that moves pixels by it, reflected at the ends.

    Returns:
        (kernel, length·length), zeros and ones.
    """
    taps = torch.arange(kernel) - kernel // 2
    at = reflect(torch.arange(length) + taps[:, None], length)  # (kernel, length)
    return torch.nn.functional.one_hot(at, length).float().flatten(1)


class RandomAdjustSharpness(BatchTransform):
    """Blur or sharpen.

    Args:
        sharpness_factor: In [0, 1000]: 0 blurs, 1 does nothing, 2 sharpens.
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = number(self, "sharpness_factor", sharpness_factor, 0, MOST)

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Sharpen all images by the same factor."""
        return tone.adjust_sharpness(images, images.new_tensor([self.sharpness_factor]))


class RandomAutocontrast(BatchTransform):
    """Stretch grey levels so that the darkest pixel becomes 0 and the lightest 1.

    Args:
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Stretch all images."""
        return tone.autocontrast(images)


class RandomInvert(BatchTransform):
    """Invert: 1 - image.

    Args:
        p: Probability of an image being transformed, in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Invert all images."""
        return tone.invert(images)
