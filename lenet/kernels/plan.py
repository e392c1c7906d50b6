"""A network as rows of numbers that the kernels work through, and where its values lie.

`plan_network` reads a module. Each convolution or linear layer, with the batch norm, ReLU and
pooling that follow it, becomes one row; the columns are named below. Weights of all layers lie in
one flat array, convolutions as (C, k, k, M), linear layers as (inputs, outputs); idle channels
and units, which round sizes up to whole tiles, stay zero. Every section is a multiple of sixteen
values long.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float32]

(
    CONVOLVES, CHANNELS_IN, CHANNELS_OUT, SIZE, KERNEL, POOL, NORM, RELU, HAS_BIAS,
    WEIGHT, BIAS, GAIN, SHIFT, MEAN, VARIANCE,
    IN, Z, D_Z, WINNERS, OUT, SIDE, PAD, D_IN, D_OUT,
    TURNED, SUMS, BIAS_SUMS, BORDER,
) = range(28)  # fmt: skip
"""Columns: the layer (SIZE with the padding, SIDE and PAD of what it hands on), where its weights
begin (values), its states in a block's memory (vectors), its room in a thread's own (vectors), the
zeros left and right of D_Z."""
COLUMNS = BORDER + 1

NONE, MAX, AVERAGE, GLOBAL = range(4)
"""Kinds of pooling: by 2, or of the whole map."""
KERNELS = (3, 5)
"""Widths of kernels for which there are compiled gradients."""
EPSILON, FORGETTING = 1e-5, 0.1
"""What PyTorch adds to the variance, and the share of a batch in its running statistics."""
TILE_SUMS = 32
"""Vectors of room for the sums of a tile, at the beginning of a block and of a thread's own."""


class NotCoveredError(ValueError):
    """The kernels cannot compute a network; the message says what it has that they do not know."""


@dataclass(frozen=True)
class Window:
    """Where one tensor of the state_dict lies in the flat array."""

    start: int
    padded: tuple[int, ...]
    """Shape there, idle channels included: (C, k, k, M), (inputs, outputs) or (M,)."""
    used: tuple[int, ...]
    """The part of it in use."""

    def view(self, flat: Floats) -> Tensor:
        """Return the part in use with PyTorch's order of dimensions: (M, C, k, k) or (out, in)."""
        values = torch.from_numpy(flat)[self.start : self.start + prod(self.padded)]
        part = values.view(self.padded)[tuple(slice(n) for n in self.used)]
        if part.dim() == 4:
            return part.permute(3, 0, 1, 2)
        return part.t() if part.dim() == 2 else part


@dataclass(frozen=True)
class Plan:
    """What the kernels need to know of a network."""

    rows: NDArray[np.int64]
    """(layers, COLUMNS)."""
    windows: dict[str, Window]
    """By name in the state_dict; counts of batches are left out."""
    channels: int
    """Of the input."""
    size: int
    """Width and height of the input, without padding."""
    classes: int
    decaying: int
    """Values that weight decay pulls at; they come first."""
    trained: int
    """Values that learn; behind them are the running statistics of batch norm."""
    values: int
    memory: int
    """Vectors of a block of images."""
    scratch: int
    """Vectors of a thread."""
    widest: int
    """The largest number of channels or units."""
    rows_in: int
    """The largest number of inputs of a linear layer."""

    @property
    def padding(self) -> int:
        """Padding of the first layer."""
        first = self.rows[0]
        return int(first[SIZE] - self.size) // 2 if first[CONVOLVES] else 0

    @torch.no_grad()
    def pack(self, tensors: Mapping[str, Tensor], flat: Floats) -> None:
        """Copy tensors, named as in the state_dict, into their windows."""
        for name, tensor in tensors.items():
            place = self.windows[name].view(flat)
            place.copy_(tensor.reshape(place.shape))

    @torch.no_grad()
    def unpack(self, flat: Floats, tensors: Mapping[str, Tensor]) -> None:
        """Copy windows into tensors, named as in the state_dict."""
        for name, tensor in tensors.items():
            tensor.copy_(self.windows[name].view(flat).reshape(tensor.shape))


def plan_network(model: nn.Module, channels: int, size: int) -> Plan:
    """Return the plan of a network whose modules run in the order in which they are listed.

    Args:
        model: Convolutions, linear layers, batch norm, ReLU, pooling; it may be on ``meta``.
        channels: Channels of its input.
        size: Width and height of its input.

    Raises:
        NotCoveredError: It has something that the kernels do not know.
    """
    return _Planner(channels, size).plan(list(_layers(model)))


@dataclass
class _Layer:
    """A convolution or linear layer and what follows it."""

    name: str
    module: nn.Conv2d | nn.Linear
    norm: tuple[str, nn.BatchNorm1d | nn.BatchNorm2d] | None = None
    relu: bool = False
    pool: int = NONE


def _layers(model: nn.Module) -> Iterator[_Layer]:
    layer: _Layer | None = None
    for name, module in model.named_modules():
        if next(module.children(), None) is not None or isinstance(module, nn.Flatten):
            continue
        if isinstance(module, nn.Dropout) and module.p == 0:
            continue
        if isinstance(module, nn.Conv2d | nn.Linear):
            if layer is not None:
                yield layer
            layer = _Layer(name, module)
        elif layer is None:
            raise NotCoveredError(f"a network that begins with {_kind(module)}")
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.relu:
            if (module.eps, module.momentum, module.affine) != (EPSILON, FORGETTING, True):
                raise NotCoveredError("batch norm with settings of its own")
            layer.norm = name, module
        elif isinstance(module, nn.ReLU) and not layer.pool:
            layer.relu = True
        elif (pool := _pooling(module)) and layer.relu and not layer.pool:
            layer.pool = pool
        else:
            raise NotCoveredError(_kind(module))
    if layer is None:
        raise NotCoveredError("a network without layers")
    yield layer


def _pooling(module: nn.Module) -> int:
    kernel = getattr(module, "kernel_size", None)
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size == 1:
        return GLOBAL
    if kernel not in (2, (2, 2)) or module.padding or module.stride not in (2, (2, 2)):
        return NONE
    if isinstance(module, nn.MaxPool2d):
        return NONE if module.ceil_mode or module.dilation != 1 else MAX
    return AVERAGE if isinstance(module, nn.AvgPool2d) and not module.ceil_mode else NONE


def _kind(module: nn.Module) -> str:
    return f"the layer {type(module).__name__}" if str(module) else "an unknown layer"


def round_up(n: int, to: int) -> int:
    """Return the next multiple of `to`."""
    return -(-n // to) * to


def round_channels(n: int) -> int:
    """Return so many channels that tiles of four or six divide them."""
    return n if n % 6 == 0 else round_up(n, 4)


class _Planner:
    """Gives out sections of weights, memory and scratch while it goes through the layers."""

    def __init__(self, channels: int, size: int) -> None:
        self.channels, self.size = channels, size
        self.sections: list[tuple[str, int, tuple[int, ...], tuple[int, ...], int]] = []
        self.places: list[tuple[int, int, str]] = []
        self.memory = self.scratch = TILE_SUMS

    def plan(self, layers: list[_Layer]) -> Plan:
        rows = np.zeros((len(layers), COLUMNS), np.int64)
        used, padded, side = self.channels, self.channels, self.size
        flat = False
        rows_in = widest = 0
        for i, layer in enumerate(layers):
            row, module, last = rows[i], layer.module, i == len(layers) - 1
            row[NORM], row[RELU], row[POOL] = layer.norm is not None, layer.relu, layer.pool
            row[HAS_BIAS] = module.bias is not None
            if layer.relu == last or (last and (layer.norm or layer.pool)):
                raise NotCoveredError("a layer without ReLU" if not last else "an activated output")
            kernel = padding = 0
            if isinstance(module, nn.Conv2d):
                if flat:
                    raise NotCoveredError("a convolution behind a linear layer")
                kernel, padding = self._check(module)
            # A kernel as large as its input is a linear layer.
            if isinstance(module, nn.Conv2d) and (kernel != side or padding):
                out, across = module.out_channels, side + 2 * padding
                places = across - kernel + 1
                if places < 2 or kernel not in KERNELS or side < 2:
                    raise NotCoveredError(f"kernels of {kernel}×{kernel} on {side}×{side} pixels")
                rounded = round_channels(out)
                row[CONVOLVES], row[CHANNELS_IN], row[CHANNELS_OUT] = 1, padded, rounded
                row[SIZE], row[KERNEL] = across, kernel
                shape = (padded, kernel, kernel, rounded)
                self._weights(layer, i, shape, (used, kernel, kernel, out), rounded, out)
                row[IN] = self._room(round_up(padded * across * across, 16))
                row[D_IN] = self._room(padded * side * side) if i else 0
                row[Z] = self._room(rounded * places * places)
                row[BORDER] = kernel - 1 - padding if i else 0
                row[D_Z] = self._room(rounded * places * (places + 2 * row[BORDER]))
                side = {NONE: places, GLOBAL: 1}.get(layer.pool, places // 2)
                row[WINNERS] = self._room(rounded * side * side)
                row[TURNED] = self._own(round_up(prod(shape), 16) // 8)
                row[SUMS], row[BIAS_SUMS] = self._own(prod(shape)), self._own(rounded)
                used, padded = out, rounded
            else:
                inputs = used * side * side
                if layer.pool or (isinstance(module, nn.Linear) and module.in_features != inputs):
                    raise NotCoveredError("layers that do not follow each other")
                out = module.weight.shape[0]
                wide, rounded = round_up(padded * side * side, 32), round_up(out, 32)
                row[CHANNELS_IN], row[CHANNELS_OUT] = wide, rounded
                self._weights(layer, i, (wide, rounded), (inputs, out), rounded, out)
                row[IN], row[D_IN] = self._room(wide), self._room(wide) if i else 0
                row[Z] = self._room(rounded)
                rows_in = max(rows_in, wide)
                flat, side, used, padded = True, 1, out, rounded
            widest = max(widest, rounded)
            row[SIDE] = side
        if not flat:
            raise NotCoveredError("a network without a linear output")
        for row, after in pairwise(rows):
            row[OUT], row[D_OUT] = after[IN], after[D_IN]
            row[PAD] = (after[SIZE] - row[SIDE]) // 2 if after[CONVOLVES] else 0
            row[SIDE] += 2 * row[PAD]
        rows[-1, OUT], rows[-1, D_OUT] = self._room(padded), self._room(padded)
        windows, decaying, trained, values = self._lay_out(rows)
        return Plan(
            rows, windows, self.channels, self.size, used, decaying, trained, values,
            self.memory, self.scratch, widest, rows_in,
        )  # fmt: skip

    def _check(self, module: nn.Conv2d) -> tuple[int, int]:
        kernel, padding = module.kernel_size, module.padding
        plain = (module.stride, module.dilation, module.groups) == ((1, 1), (1, 1), 1)
        square = kernel[0] == kernel[1] and not isinstance(padding, str) and len({*padding}) == 1
        if not plain or not square or module.padding_mode != "zeros":
            raise NotCoveredError("a convolution with strides, groups or unequal sides")
        if int(padding[0]) >= kernel[0]:
            raise NotCoveredError("a convolution of nothing but padding")
        return kernel[0], int(padding[0])

    def _room(self, vectors: int) -> int:
        self.memory += vectors
        return self.memory - vectors

    def _own(self, vectors: int) -> int:
        self.scratch += vectors
        return self.scratch - vectors

    def _weights(
        self,
        layer: _Layer,
        i: int,
        shape: tuple[int, ...],
        used: tuple[int, ...],
        rounded: int,
        out: int,
    ) -> None:
        """Note the sections of a layer: column, name, shape, part in use, order."""
        bias = f"{layer.name}.bias" if layer.module.bias is not None else ""
        sections: list[tuple[int, str, tuple[int, ...], tuple[int, ...], int]] = [
            (WEIGHT, f"{layer.name}.weight", shape, used, 0),
            (BIAS, bias, (rounded,), (out,), 1),
        ]
        if layer.norm is not None:
            columns = (GAIN, SHIFT, MEAN, VARIANCE)
            kinds = ("weight", "bias", "running_mean", "running_var")
            for column, kind, order in zip(columns, kinds, (1, 1, 2, 2), strict=True):
                sections.append((column, f"{layer.norm[0]}.{kind}", (rounded,), (out,), order))
        for column, name, shape_, used_, order in sections:
            self.sections.append((name, order, shape_, used_, i * COLUMNS + column))

    def _lay_out(self, rows: NDArray[np.int64]) -> tuple[dict[str, Window], int, int, int]:
        windows, ends, start = {}, [0, 0, 0], 0
        for order in range(3):
            for name, section_order, shape, used, place in self.sections:
                if section_order == order:
                    if name:
                        windows[name] = Window(start, shape, used)
                    rows.reshape(-1)[place] = start
                    start += round_up(prod(shape), 16)
            ends[order] = start
        return windows, ends[0], ends[1], ends[2]


def values_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a model and its running statistics, as they are used, not copied."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
