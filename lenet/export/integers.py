"""A trained network in integers: 8-bit activations, 8- or 4-bit weights, no floating point.

A number x is stored as an integer q with x = step × (q - zero). Every layer of the family is a
convolution (`lenet.models.convolutions`), so one operation computes them all:

    sum    = Σ weight × (q - zero) + bias                               32 bits
    scaled = (sum × multiplier + 2^(shift - 1)) >> shift                 64 bits, then 32
    q'     = table[scaled + 512] or scaled + zero', kept within 0 … 255
    q''    = the largest of pool × pool neighbours

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference".
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier
from lenet.models.convolutions import Convolution, count_places, read_convolutions
from lenet.models.quantization import BOUNDS, state_grid, to_integers, with_rounded_weights

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
        return count_places(size, self.weight.shape[-1], self.stride, self.padding, self.pool)

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
    scaling: Tensor | None = None
    """What a smaller image is made by, int64 (H', H): 256ths of the rows that each of its rows has,
    and of the columns; None: images keep their size."""

    @property
    def size(self) -> int:
        """Height and width of what the first layer sees, in pixels."""
        return self.shape[1] if self.scaling is None else len(self.scaling)

    def __call__(self, images: Tensor) -> Tensor:
        """Pixels, uint8 (B, C, H, W) → outputs, int64 (B, classes); the largest is the class."""
        states = _scale(images.long(), self.scaling)
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
        images: Training images, uint8 (N, C, H, W); they show how large the activations become
            where the network was not trained with rounded ones, whose grids it keeps.
        bits: Of each weight, 2 to 8.

    Raises:
        UsageError: The network has a layer, or the input a preparation, that is not covered; it is
            named.
    """
    rounded = with_rounded_weights(classifier.model)
    layers = read_layers(replace(classifier, model=rounded))
    scaling = find_scaling(classifier)
    states, step, zero = _scale(images.long(), scaling).double(), 1.0, 0
    built: list[IntegerLayer] = []
    for layer in layers:
        last = layer is layers[-1]
        sums = layer.sums(states)
        after = layer.activation(sums)
        bounds = getattr(classifier.model.get_submodule(layer.end), BOUNDS, None)
        if bounds is None or not bounds.any():
            new_step, new_zero = _grid(after)
        else:
            rounding, offset = state_grid(bounds)
            new_step, new_zero = rounding.item(), int(offset)
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
        # In C, zero is not taken from the states but from the bias.
        bound = weight.abs().sum(dim=(1, 2, 3)) * (255 + zero) + bias.abs()
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
    shape = (images.shape[1], images.shape[2], images.shape[3])
    return IntegerNetwork(built, shape, bits, scaling)


def find_scaling(classifier: Classifier) -> Tensor | None:
    """Return the weights with which a network's preparation scales images; see `IntegerNetwork`."""
    scale, size = classifier.preprocess.scale, classifier.data.size
    if scale == 1:
        return None
    rows = torch.eye(size)[:, None, :, None].expand(-1, 1, -1, size)  # image n: row n is white
    scaled = F.interpolate(rows, scale_factor=scale, mode="bilinear", antialias=True)
    exact = 256 * scaled[:, 0, :, 0].T.double()  # (H', H)
    weights = exact.round()
    # The largest makes up for what rounding took from the sum.
    largest = weights.argmax(dim=1, keepdim=True)
    weights.scatter_add_(1, largest, 256 - weights.sum(dim=1, keepdim=True))
    if weights.max() > 255:
        raise UsageError(f"integers do not cover input.scale: {scale}")
    return weights.long()


def _scale(images: Tensor, scaling: Tensor | None) -> Tensor:
    """Scale pixels, int64 (B, C, H, W), in integers: rounded to whole grey levels."""
    if scaling is None:
        return images
    weights = scaling.double()  # exact, see `IntegerLayer`
    return (weights @ images.double() @ weights.T + 2**15).long() >> 16


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


def read_layers(classifier: Classifier) -> list[Convolution]:
    """Return a network's layers as convolutions on pixels from 0 to 255, in float64.

    Raises:
        UsageError: A layer, or the preparation of the input, is not covered.
    """
    layers = read_convolutions(
        classifier.model, classifier.data.channels, classifier.preprocess.size
    )
    _take_pixels(layers[0], classifier)
    return layers


def _take_pixels(layer: Convolution, classifier: Classifier) -> None:
    """Put the grey levels into the first layer's weights and bias, and the frame into its padding.

    A pixel q becomes the level (high - low) / 255 × q + low.
    """
    prepare = classifier.preprocess
    for key, used in (
        ("input.shuffle", prepare.places is not None),
        ("input.upright and input.width", prepare.normalizes_shape),
    ):
        if used:
            raise UsageError(f"integers do not cover {key}")
    scaling = find_scaling(classifier)
    size = classifier.data.size if scaling is None else len(scaling)
    frame, odd = divmod(prepare.size - size, 2)
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
