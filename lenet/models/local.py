"""A convolution without weight sharing."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.models.arithmetic import Step


class LocallyConnected(nn.Module):
    """A filter of its own at every place, where a convolution has one for all places.

    (B, in_channels, H, W) becomes (B, filters, h, w) with h = (H - k)/stride + 1, rounded down.

    Args:
        in_channels: Number of input channels.
        filters: Number of output channels.
        kernel_size: Height and width k of the filters, in pixels.
        size: Height and width of the input, in pixels.
        stride: Pixels from one place to the next.

    Raises:
        UsageError: The filters are larger than the input.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        size: tuple[int, int],
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = filters
        self.kernel_size = (kernel_size, kernel_size)
        self.stride = (stride, stride)
        self.places = [Step(n, kernel_size, stride).output for n in size]
        fan_in, places = in_channels * kernel_size**2, self.places[0] * self.places[1]
        bound = 1 / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.empty(filters, fan_in, places).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(filters, places).uniform_(-bound, bound))

    def forward(self, images: Tensor) -> Tensor:
        """Return the (B, filters, h, w) weighted sums of (B, in_channels, H, W) images."""
        patches = F.unfold(images, self.kernel_size, stride=self.stride)  # (B, fan-in, places)
        sums = torch.einsum("bip,fip->bfp", patches, self.weight) + self.bias
        return sums.view(len(images), self.out_channels, *self.places)  # (B, filters, h, w)

    def extra_repr(self) -> str:
        """Show the number of channels and the size in the module's representation."""
        return f"{self.in_channels}, {self.out_channels}, places={self.places}"
