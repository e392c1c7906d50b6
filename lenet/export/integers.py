"""A trained network in integers: 8-bit activations, 8- or 4-bit weights, no floating point.

A number x is stored as an integer q with x = step × (q - zero). Every layer of the family is a
convolution: a linear layer's kernel is as large as its input, average pooling and 1998's
subsampling have a kernel per channel, and the distance to a bitmap of ±1 falls as a weighted sum
rises. So one operation computes them all:

    sum    = Σ weight × (q - zero) + bias                               32 bits
    scaled = (sum × multiplier + 2^(shift - 1)) >> shift                 64 bits, then 32
    q'     = table[scaled + 512] or scaled + zero', kept within 0 … 255
    q''    = the largest of pool × pool neighbours

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier
from lenet.models.activations import ACTIVATIONS, ScaledTanh
from lenet.models.layers import RBF, PartialConvolution, Subsampling
from lenet.models.pooling import MaxPool2d
from lenet.models.quantization import to_integers

LARGEST = 2**31 - 1
"""What the sums, the biases and the multipliers must stay below."""
HALF = 512
"""Half of the entries of an activation's table."""
OUTPUT_BITS = 20
"""Bits of the largest output on the calibration images; there is room above them."""


@dataclass(frozen=True)
class IntegerLayer:
    """A convolution on integers, with its activation and max-pooling; see the module.

    Attributes:
        name: Of the layer in the network.
        weight: int64 (out, in / groups, side, side).
        bias: int64 (out,).
        multiplier: int64 (out,), from 0 to `LARGEST`.
        shift: Bits by which the product is shifted.
        stride: Pixels from one place to the next.
        padding: Pixels on each side, which have the value `outside`.
        groups: Channels are divided into groups that do not mix.
        zero: What stands for 0 in the input.
        outside: The input's value beyond its border.
        new_zero: What stands for 0 in the output.
        table: int64 (2 × `HALF`,), the activation; None: only the limits 0 and 255.
        pool: Height and width of the max-pooling; 1 is none.
        last: Whether `scaled` is put out as it is, in 32 bits.
    """

    name: str
    weight: Tensor
    bias: Tensor
    multiplier: Tensor
    shift: int
    stride: int
    padding: int
    groups: int
    zero: int
    outside: int
    new_zero: int
    table: Tensor | None
    pool: int
    last: bool

    def places(self, size: int) -> int:
        """Height and width of the input in pixels → those of the output."""
        return _places(size, self)

    def __call__(self, images: Tensor) -> Tensor:
        """Compute the layer exactly: int64 (B, in, H, W) → int64 (B, out, H', W')."""
        # Integers below 2^53 are exact in float64, for which torch has fast convolutions.
        shifted = F.pad(
            images.double() - self.zero, [self.padding] * 4, value=self.outside - self.zero
        )
        sums = F.conv2d(
            shifted, self.weight.double(), self.bias.double(), self.stride, groups=self.groups
        ).long()
        scaled: Tensor = (
            sums * self.multiplier[:, None, None] + 2 ** (self.shift - 1)
        ) >> self.shift
        if self.last:
            return scaled
        if self.table is None:
            states = (scaled + self.new_zero).clamp(0, 255)
        else:
            states = self.table[(scaled + HALF).clamp(0, 2 * HALF - 1)]
        return F.max_pool2d(states.double(), self.pool).long()


@dataclass(frozen=True)
class IntegerNetwork:
    """The layers of a network in integers, from the pixels to an output per class."""

    layers: list[IntegerLayer]
    shape: tuple[int, int, int]
    """Channels, height and width of an image."""
    bits: int
    """Of each weight."""

    def __call__(self, images: Tensor) -> Tensor:
        """Pixels, uint8 (B, C, H, W) → outputs, int64 (B, classes); the largest is the class."""
        states = images.long()
        for layer in self.layers:
            states = layer(states)
        return states.flatten(1)

    def classify(self, images: Tensor, batch: int = 500) -> Tensor:
        """Pixels, uint8 (N, C, H, W) → labels (N,); of equal outputs, the first one's."""
        found = []
        for start in range(0, len(images), batch):
            outputs = self(images[start : start + batch])
            best = outputs.amax(dim=1, keepdim=True)
            found.append((outputs == best).long().argmax(dim=1))
        return torch.cat(found)


@torch.inference_mode()
def quantize_network(classifier: Classifier, images: Tensor, bits: int = 8) -> IntegerNetwork:
    """Bring a trained network to integers.

    Args:
        classifier: In evaluation mode, on the CPU.
        images: Training images, uint8 (N, C, H, W); they show how large the activations become.
        bits: Of each weight, 2 to 8.

    Raises:
        UsageError: The network has a layer, or the input a preparation, that is not covered; it is
            named.
    """
    layers = read_layers(classifier)
    states, step, zero = images.double(), 1.0, 0
    built: list[IntegerLayer] = []
    for layer in layers:
        last = layer is layers[-1]
        sums = layer.sums(states)
        after = layer.activation(sums)
        new_step, new_zero = _grid(after)
        sum_step, table = new_step, None
        if last:
            sum_step = float(sums.abs().amax().clamp(min=1e-12)) / 2**OUTPUT_BITS
        elif not isinstance(layer.activation, nn.Identity | nn.ReLU):
            sum_step = _best_step(sums, -HALF, HALF - 1)
            levels = layer.activation(torch.arange(-HALF, HALF, dtype=torch.float64) * sum_step)
            table = (levels / new_step).round().long().add(new_zero).clamp(0, 255)
        weight, weight_step = to_integers(layer.weight, bits)
        weight_step = weight_step.flatten()
        bias = (layer.bias / (step * weight_step)).round()
        factor = step * weight_step / sum_step
        shift = int(30 - factor.max().log2().ceil())
        bound = weight.abs().sum(dim=(1, 2, 3)) * 255 + bias.abs()
        if bound.max() > LARGEST or not 1 <= shift <= 62:
            raise UsageError(f"{layer.name}: its sums do not fit into 32 bits")
        built.append(
            IntegerLayer(
                name=layer.name,
                weight=weight.long(),
                bias=bias.long(),
                multiplier=(factor * 2.0**shift).round().long(),
                shift=shift,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
                zero=zero,
                outside=min(max(round(layer.outside / step) + zero, 0), 255),
                new_zero=new_zero,
                table=table,
                pool=layer.pool,
                last=last,
            )
        )
        states = F.max_pool2d(after, layer.pool) if layer.pool > 1 else after
        step, zero = new_step, new_zero
    return IntegerNetwork(built, (images.shape[1], images.shape[2], images.shape[3]), bits)


def _grid(states: Tensor) -> tuple[float, int]:
    """Return the step and the zero with which 8 bits hold states, unsigned where none is negative.

    Large states are cut off where this lessens the squared error.
    """
    return (
        (_best_step(states, 0, 255), 0)
        if states.min() >= 0
        else (_best_step(states, -128, 127), 128)
    )


def _best_step(states: Tensor, least: int, most: int) -> float:
    """Return the step with the least squared error; states beyond its limits are cut off."""
    largest = float(states.abs().amax().clamp(min=1e-12))
    flat = states.flatten()
    flat = flat[:: max(1, len(flat) // 200_000)]
    errors: list[tuple[float, float]] = []
    for share in torch.linspace(1, 0.2, 33).tolist():
        step = share * largest / most
        rounded = (flat / step).round().clamp(least, most) * step
        errors.append((float((rounded - flat).square().sum()), step))
    return min(errors)[1]


@dataclass
class _Layer:
    """A convolution in floating point, with batch norm in its weights; see `IntegerLayer`."""

    name: str
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


def read_layers(classifier: Classifier) -> list[_Layer]:
    """Return a network's layers as convolutions on pixels from 0 to 255, in float64.

    Raises:
        UsageError: A layer, or the preparation of the input, is not covered.
    """
    network = _Reader(classifier.data.channels, classifier.preprocess.size)
    for name, module in classifier.model.named_modules():
        if not any(module.children()):
            if type(module) not in _READERS:
                raise UsageError(f"integers do not cover {type(module).__name__} ({name})")
            _READERS[type(module)](network, name, module)
    layers = network.layers
    if isinstance(layers[-1].activation, nn.Tanh | ScaledTanh | nn.Sigmoid):
        layers[-1].activation = nn.Identity()  # the largest output stays the largest
    if not isinstance(layers[-1].activation, nn.Identity) or layers[-1].pool > 1:
        raise UsageError("integers do not cover outputs behind an activation or max-pooling")
    _take_pixels(layers[0], classifier)
    return layers


def _take_pixels(layer: _Layer, classifier: Classifier) -> None:
    """Put the grey levels into the first layer's weights and bias, and the frame into its padding.

    A pixel q becomes the level (high - low) / 255 × q + low.
    """
    prepare = classifier.preprocess
    for key, used in (
        ("input.scale", prepare.scale != 1),
        ("input.shuffle", prepare.places is not None),
        ("input.upright and input.width", prepare.normalizes_shape),
    ):
        if used:
            raise UsageError(f"integers do not cover {key}")
    frame, odd = divmod(prepare.size - classifier.data.size, 2)
    if odd:
        raise UsageError("integers need a frame of background as wide on all sides")
    low, high = prepare.levels.unbind(dim=1)  # (C,), or (1,) for all channels
    step = (high - low) / 255
    if frame and layer.padding and low.any():
        raise UsageError(
            f"integers do not cover a padded {layer.name} behind a frame of background"
        )
    # Padding of zeros: the same pixel in all channels, as their levels are nearly the same.
    layer.outside = 0.0 if frame else float((-low / step).mean())
    layer.padding += frame
    layer.bias = layer.bias + (layer.weight * low[:, None, None]).sum(dim=(1, 2, 3))
    layer.weight = layer.weight * step[:, None, None]


class _Reader:
    """Layers read so far, and the channels and the size that they put out."""

    def __init__(self, channels: int, size: int) -> None:
        self.layers: list[_Layer] = []
        self.channels = channels
        self.size = size
        self.input = (channels, size)  # of the layer read last

    def add(self, layer: _Layer) -> None:
        self.layers.append(layer)
        self.input = (self.channels, self.size)
        self.channels, self.size = len(layer.weight), _places(self.size, layer)

    def add_per_channel(self, name: str, side: int, value: float) -> None:
        """Add a sum over side × side pixels, times a value, of each channel for itself."""
        weight = torch.full((self.channels, 1, side, side), value, dtype=torch.float64)
        bias = torch.zeros(self.channels, dtype=torch.float64)
        self.add(_Layer(name, weight, bias, stride=side, groups=self.channels))

    def convolution(self, name: str, module: Any) -> None:
        partial = isinstance(module, PartialConvolution)
        stride, padding = (1, 0) if partial else _square(name, module)
        weight = module.dense_weight() if partial else module.weight
        bias = torch.zeros(len(weight)) if module.bias is None else module.bias
        groups = 1 if partial else module.groups
        self.add(_Layer(name, weight.double(), bias.double(), stride, padding, groups))

    def linear(self, name: str, module: Any) -> None:
        weight = module.weight.double().view(-1, self.channels, self.size, self.size)
        bias = torch.zeros(len(weight)) if module.bias is None else module.bias
        self.add(_Layer(name, weight, bias.double()))

    def distances(self, name: str, module: Any) -> None:
        # The smallest Σ (x - w)² is the largest Σ w x - ½ Σ w².
        weight = module.centres.double()
        bias = -weight.square().sum(dim=1) / 2
        self.add(_Layer(name, weight[:, :, None, None], bias))

    def subsampling(self, name: str, module: Any) -> None:
        weight = module.coefficient.double()[:, None, None, None].expand(-1, 1, 2, 2)
        groups = len(weight) // module.copies
        self.add(_Layer(name, weight, module.bias.double(), stride=2, groups=groups))

    def normalisation(self, name: str, module: Any) -> None:
        layer = self.layers[-1] if self.layers else None
        if layer is None or not isinstance(layer.activation, nn.Identity) or layer.pool > 1:
            raise UsageError(f"integers cover batch norm right behind a convolution only ({name})")
        scale = (module.weight / (module.running_var + module.eps).sqrt()).double()
        layer.weight = layer.weight * scale[:, None, None, None]
        layer.bias = (layer.bias - module.running_mean) * scale + module.bias

    def activation(self, name: str, module: nn.Module) -> None:
        layer = self.layers[-1] if self.layers else None
        if layer is None or not isinstance(layer.activation, nn.Identity) or layer.pool > 1:
            self.add_per_channel(name, 1, 1.0)
        self.layers[-1].activation = module

    def maximum(self, name: str, module: Any) -> None:
        side = _pair(module.kernel_size)
        if _pair(module.stride) != side or _pair(module.padding) or module.ceil_mode:
            raise UsageError(
                f"integers cover max-pooling without overlap and padding only ({name})"
            )
        if not self.layers or self.layers[-1].pool > 1:
            self.add_per_channel(name, 1, 1.0)
        self.layers[-1].pool = side
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
    nn.BatchNorm1d: _Reader.normalisation,
    nn.BatchNorm2d: _Reader.normalisation,
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


def _places(size: int, layer: IntegerLayer | _Layer) -> int:
    """Height and width of a layer's input in pixels → those of its output."""
    side = layer.weight.shape[-1]
    return ((size + 2 * layer.padding - side) // layer.stride + 1) // layer.pool
