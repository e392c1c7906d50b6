"""A network read as a list of convolutions, to which all of LeNet's family come down.

A linear layer's kernel is as large as its input, average pooling and 1998's subsampling have a
kernel per channel, and the distance to a bitmap of ±1 falls as a weighted sum rises. Batch norm
goes into the weights. Activations and max-pooling belong to the convolution before them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.errors import UsageError
from lenet.models.activations import ACTIVATIONS, ScaledTanh
from lenet.models.layers import RBF, PartialConvolution, Subsampling
from lenet.models.pooling import MaxPool2d


@dataclass
class Convolution:
    """A convolution, its activation and its max-pooling, in float64.

    Attributes:
        name: Of the module that has the weights.
        end: Of the module that puts the layer's states out.
        weight: (out, in / groups, side, side).
        bias: (out,).
        stride: Pixels from one place to the next.
        padding: Pixels on each side, which have the value `outside`.
        groups: Channels are divided into groups that do not mix.
        outside: The input's value beyond its border.
        activation: Of the sums.
        pool: Height and width of the max-pooling, which is the same before and behind the
            activation; 1 is none.
    """

    name: str
    end: str
    weight: Tensor
    bias: Tensor
    stride: int = 1
    padding: int = 0
    groups: int = 1
    outside: float = 0.0
    activation: nn.Module = field(default_factory=nn.Identity)
    pool: int = 1

    def sums(self, states: Tensor) -> Tensor:
        """States (B, in, H, W) → weighted sums (B, out, H', W')."""
        padded = F.pad(states, [self.padding] * 4, value=self.outside)
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)

    def places(self, size: int) -> int:
        """Height and width of the input in pixels → those of the output."""
        return count_places(size, self.weight.shape[-1], self.stride, self.padding, self.pool)


def count_places(size: int, side: int, stride: int, padding: int, pool: int) -> int:
    """Return height and width of what a convolution with max-pooling makes of `size` pixels."""
    return ((size + 2 * padding - side) // stride + 1) // pool


def read_convolutions(model: nn.Module, channels: int, size: int) -> list[Convolution]:
    """Return a network's layers, from its preprocessed input to its outputs.

    The largest output is the class, also of a network that puts out penalties.

    Args:
        model: In evaluation mode, on the CPU.
        channels: Of its input.
        size: Height and width of its input in pixels.

    Raises:
        UsageError: A layer is not covered; it is named.
    """
    network = _Reader(channels, size)
    for name, module in model.named_modules():
        if not any(module.children()):
            if type(module) not in _READERS:
                raise UsageError(f"integers do not cover {type(module).__name__} ({name})")
            _READERS[type(module)](network, name, module)
    layers = network.layers
    if isinstance(layers[-1].activation, nn.Tanh | ScaledTanh | nn.Sigmoid):
        layers[-1].activation = nn.Identity()  # the largest output stays the largest
    if not isinstance(layers[-1].activation, nn.Identity) or layers[-1].pool > 1:
        raise UsageError("integers do not cover outputs behind an activation or max-pooling")
    return layers


class _Reader:
    """Layers read so far, and the channels and the size that they put out."""

    def __init__(self, channels: int, size: int) -> None:
        self.layers: list[Convolution] = []
        self.channels = channels
        self.size = size
        self.input = (channels, size)  # of the layer read last

    def add(self, layer: Convolution) -> None:
        self.layers.append(layer)
        self.input = (self.channels, self.size)
        self.channels, self.size = len(layer.weight), layer.places(self.size)

    def add_per_channel(self, name: str, side: int, value: float) -> None:
        """Add a sum over side × side pixels, times a value, of each channel for itself."""
        weight = torch.full((self.channels, 1, side, side), value, dtype=torch.float64)
        bias = torch.zeros(self.channels, dtype=torch.float64)
        self.add(Convolution(name, name, weight, bias, stride=side, groups=self.channels))

    def convolution(self, name: str, module: Any) -> None:
        partial = isinstance(module, PartialConvolution)
        stride, padding = (1, 0) if partial else _square(name, module)
        weight = module.dense_weight() if partial else module.weight
        bias = torch.zeros(len(weight)) if module.bias is None else module.bias
        groups = 1 if partial else module.groups
        self.add(Convolution(name, name, weight.double(), bias.double(), stride, padding, groups))

    def linear(self, name: str, module: Any) -> None:
        weight = module.weight.double().view(-1, self.channels, self.size, self.size)
        bias = torch.zeros(len(weight)) if module.bias is None else module.bias
        self.add(Convolution(name, name, weight, bias.double()))

    def distances(self, name: str, module: Any) -> None:
        # The smallest Σ (x - w)² is the largest Σ w x - ½ Σ w².
        weight = module.centres.double()
        bias = -weight.square().sum(dim=1) / 2
        self.add(Convolution(name, name, weight[:, :, None, None], bias))

    def subsampling(self, name: str, module: Any) -> None:
        weight = module.coefficient.double()[:, None, None, None].expand(-1, 1, 2, 2)
        groups = len(weight) // module.copies
        self.add(Convolution(name, name, weight, module.bias.double(), stride=2, groups=groups))

    def normalization(self, name: str, module: Any) -> None:
        layer = self.layers[-1] if self.layers else None
        if layer is None or not isinstance(layer.activation, nn.Identity) or layer.pool > 1:
            raise UsageError(f"integers cover batch norm right behind a convolution only ({name})")
        scale = (module.weight / (module.running_var + module.eps).sqrt()).double()
        layer.weight = layer.weight * scale[:, None, None, None]
        layer.bias = (layer.bias - module.running_mean) * scale + module.bias
        layer.end = name

    def activation(self, name: str, module: nn.Module) -> None:
        layer = self.layers[-1] if self.layers else None
        if layer is None or not isinstance(layer.activation, nn.Identity) or layer.pool > 1:
            self.add_per_channel(name, 1, 1.0)
        self.layers[-1].activation, self.layers[-1].end = module, name

    def maximum(self, name: str, module: Any) -> None:
        side = _pair(module.kernel_size)
        if _pair(module.stride) != side or _pair(module.padding) or module.ceil_mode:
            raise UsageError(
                f"integers cover max-pooling without overlap and padding only ({name})"
            )
        layer = self.layers[-1] if self.layers else None
        # What falls before it rises would change which of the sums is the largest.
        falls = layer is not None and isinstance(layer.activation, nn.SiLU | nn.GELU)
        if layer is None or layer.pool > 1 or falls:
            self.add_per_channel(name, 1, 1.0)
        self.layers[-1].pool, self.layers[-1].end = side, name
        self.size //= side

    def average(self, name: str, module: Any) -> None:
        side = _pair(module.kernel_size)
        if _pair(module.stride) != side or _pair(module.padding) or module.ceil_mode:
            raise UsageError(f"integers cover averages without overlap and padding only ({name})")
        self.add_per_channel(name, side, 1 / side**2)

    def whole_average(self, name: str, module: Any) -> None:
        if _pair(module.output_size) != 1:
            raise UsageError(f"integers cover averages over all places only ({name})")
        self.add_per_channel(name, self.size, 1 / self.size**2)


def _skip(network: _Reader, name: str, module: nn.Module) -> None:
    pass


_READERS: dict[type[nn.Module], Callable[[_Reader, str, Any], None]] = {
    nn.Conv2d: _Reader.convolution,
    PartialConvolution: _Reader.convolution,
    nn.Linear: _Reader.linear,
    RBF: _Reader.distances,
    Subsampling: _Reader.subsampling,
    nn.BatchNorm1d: _Reader.normalization,
    nn.BatchNorm2d: _Reader.normalization,
    nn.MaxPool2d: _Reader.maximum,
    MaxPool2d: _Reader.maximum,
    nn.AvgPool2d: _Reader.average,
    nn.AdaptiveAvgPool2d: _Reader.whole_average,
    **dict.fromkeys(ACTIVATIONS.values(), _Reader.activation),
    **dict.fromkeys((nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity), _skip),
}
"""How each module is read; others are refused."""


def _square(name: str, module: nn.Conv2d) -> tuple[int, int]:
    """Return a convolution's stride and padding, or refuse it."""
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise UsageError(f"integers pad with zeros only ({name})")
    if _pair(module.dilation) != 1:
        raise UsageError(f"integers do not cover dilation ({name})")
    return _pair(module.stride), _pair(module.padding)


def _pair(value: int | tuple[int, ...]) -> int:
    """Return the one value of a pair; all filters of the family are square."""
    return value if isinstance(value, int) else value[0]
