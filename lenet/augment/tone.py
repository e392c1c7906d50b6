"""Changes of grey levels and colours, with one factor per image.

Images are float (B, C, H, W) in [0, 1], factors (B,); results lie in [0, 1]. Each function
generalizes torchvision's functional of the same name, which takes one factor for all images.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from lenet.augment.transform import per_image

LEVELS = 256
"""Grey levels of histograms."""


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply pixels by a factor ≥ 0."""
    return (images * per_image(factors)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply distances from the image's mean grey level by a factor ≥ 0; at 0 it is flat grey."""
    mean = grey(images).mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, per_image(factors)).clamp_(0, 1)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply distances from the grey image by a factor ≥ 0; grey images stay as they are."""
    if images.shape[1] == 1:
        return images
    return torch.lerp(grey(images), images, per_image(factors)).clamp_(0, 1)


def grey(images: Tensor) -> Tensor:
    """Return images in red, green and blue as grey ones, (B, 1, H, W); grey ones as they are."""
    if images.shape[1] == 1:
        return images
    shares = images.new_tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)
    return (images * shares).sum(1, keepdim=True)


def adjust_gamma(images: Tensor, gammas: Tensor, gains: Tensor) -> Tensor:
    """Clamp pixels to [0, 1], raise them to the power gamma ≥ 0 and multiply by a gain ≥ 0."""
    return images.clamp(0, 1).pow(per_image(gammas)).mul_(per_image(gains)).clamp_(0, 1)


def adjust_sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the blurred image: factor 0 is blurred, 1 the image itself, 2 sharper.

    The outermost pixels, and images of one or two rows or columns, stay as they are.
    """
    if min(images.shape[-2:]) <= 2:
        return images
    inner = images[..., 1:-1, 1:-1]
    # 3×3 weights 1 around 5, by 13: nine times the mean and four times the middle.
    blurred = (F.avg_pool2d(images, 3, stride=1) * 9 + inner * 4) / 13
    sharpened = images.clone()
    sharpened[..., 1:-1, 1:-1] = torch.lerp(blurred, inner, per_image(factors))
    return sharpened.clamp_(0, 1)


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each image so that its darkest pixel is 0, its lightest 1; flat images stay."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = low == high
    low, span = torch.where(flat, 0, low), torch.where(flat, 1, high - low)
    return ((images - low) / span).clamp_(0, 1)


def invert(images: Tensor) -> Tensor:
    """Invert: 1 - image."""
    return 1 - images


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest 0 to 8 bits of each grey level."""
    levels = per_image(2**bits)
    return torch.minimum((images * levels).floor(), levels - 1) / levels


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert pixels of at least the threshold in [0, 1]."""
    return torch.where(images >= per_image(thresholds), 1 - images, images)


def equalize(images: Tensor) -> Tensor:
    """Spread grey levels so that all are about equally frequent, as PIL does."""
    batch, channels, height, width = images.shape
    levels = grey_levels(images).view(batch * channels, -1)
    counts = histograms(levels)  # (B·C, 256)
    cumulated = counts.cumsum(1)
    last = cumulated.argmax(1, keepdim=True)  # the lightest level in use
    step = (height * width - counts.gather(1, last)) // (LEVELS - 1)
    below = F.pad(cumulated[:, :-1], (1, 0))
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(0, LEVELS - 1)
    table[:, 0] = 0
    equalized = torch.where(step > 0, table.gather(1, levels), levels)
    return equalized.view_as(images).to(images.dtype) / (LEVELS - 1)


def grey_levels(images: Tensor) -> Tensor:
    """Convert images, clamped to [0, 1], to int64 0 to 255 as torchvision does; contiguous."""
    return (images.clamp(0, 1) * (LEVELS - 0.001)).long().contiguous()


def histograms(levels: Tensor) -> Tensor:
    """Count the levels 0 to 255 in each row: int64 (N, P) → int32 (N, 256)."""
    counts = torch.zeros(len(levels), LEVELS, dtype=torch.int32, device=levels.device)
    return counts.scatter_add_(1, levels, counts.new_ones(1, 1).expand_as(levels))
