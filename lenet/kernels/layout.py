"""Where the kernels keep LeNet-5's weights, states and gradients in flat arrays.

Weights of convolutions are (C, k, k, M), those of dense layers (inputs, outputs), with idle units
that stay zero; every section is a multiple of sixteen values long. A section is (start, stop).
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Section = tuple[int, int]

CLASSES = 10
C1_SHAPE, C3_SHAPE = (1, 6, 32, 5), (6, 16, 14, 5)
"""Shapes of the convolutions, as in `convolution`."""
C5_SHAPE, F6_SHAPE, OUTPUT_SHAPE = (400, 128), (128, 96), (96, 32)
"""Shapes of the dense layers, as in `dense`, with idle units."""
PIXELS, S2_VALUES, S4_VALUES = 32 * 32, 6 * 14 * 14, 16 * 5 * 5
"""Values an image."""


def _lay_out(sizes: Sequence[int]) -> list[Section]:
    """Return sections of these sizes, one after another."""
    return list(pairwise(accumulate(sizes, initial=0)))


_WEIGHTS: dict[str, tuple[int, tuple[int, ...], tuple[int, ...] | None]] = {
    "c1.weight": (160, (1, 5, 5, 6), None),
    "c1.bias": (16, (6,), None),
    "c3.weight": (2400, (6, 5, 5, 16), None),
    "c3.bias": (16, (16,), None),
    "c5.weight": (400 * 128, (400, 128), (400, 120)),
    "c5.bias": (128, (120,), None),
    "f6.weight": (128 * 96, (128, 96), (120, 84)),
    "f6.bias": (96, (84,), None),
    "output.weight": (96 * 32, (96, 32), (84, 10)),
    "output.bias": (32, (10,), None),
    "activation1.0.weight": (16, (6,), None),
    "activation1.0.bias": (16, (6,), None),
    "activation3.0.weight": (16, (16,), None),
    "activation3.0.bias": (16, (16,), None),
    "activation5.0.weight": (128, (120,), None),
    "activation5.0.bias": (128, (120,), None),
    "activation6.0.weight": (96, (84,), None),
    "activation6.0.bias": (96, (84,), None),
    "activation1.0.running_mean": (16, (6,), None),
    "activation1.0.running_var": (16, (6,), None),
    "activation3.0.running_mean": (16, (16,), None),
    "activation3.0.running_var": (16, (16,), None),
    "activation5.0.running_mean": (128, (120,), None),
    "activation5.0.running_var": (128, (120,), None),
    "activation6.0.running_mean": (96, (84,), None),
    "activation6.0.running_var": (96, (84,), None),
}
"""Name in the state_dict → values of the section, their shape, and the part of it in use."""

WEIGHTS: dict[str, Section] = dict(
    zip(_WEIGHTS, _lay_out([size for size, *_ in _WEIGHTS.values()]), strict=True)
)
"""Sections of the weights, by their names in the state_dict."""
(
    C1, C1_BIAS, C3, C3_BIAS, C5, C5_BIAS, F6, F6_BIAS, OUTPUT, OUTPUT_BIAS,
    C1_GAIN, C1_SHIFT, C3_GAIN, C3_SHIFT, C5_GAIN, C5_SHIFT, F6_GAIN, F6_SHIFT,
    C1_MEAN, C1_VARIANCE, C3_MEAN, C3_VARIANCE, C5_MEAN, C5_VARIANCE, F6_MEAN, F6_VARIANCE,
) = WEIGHTS.values()  # fmt: skip
TRAINED, ALL = F6_SHIFT[1], F6_VARIANCE[1]
"""Values that learn, idle ones included; and those with the running statistics of batch norm."""
DECAYING = (C1, C3, C5, F6, OUTPUT)
NOT_DECAYING = (
    C1_BIAS, C3_BIAS, C5_BIAS, F6_BIAS, OUTPUT_BIAS,
    C1_GAIN, C1_SHIFT, C3_GAIN, C3_SHIFT, C5_GAIN, C5_SHIFT, F6_GAIN, F6_SHIFT,
)  # fmt: skip
"""Sections that weight decay leaves alone."""

(
    X, S2, S2_WINNERS, S4, S4_WINNERS, C5_STATES, F6_STATES, LOGITS,
    D_LOGITS, D_F6, D_C5, D_S4, INPUT_ROWS, GRADIENT_ROWS,
    Z1, S2_TOPS, Z3, S4_TOPS, Z5, Z6, D_S2_ALL,
) = _MEMORY = _lay_out(
    [
        PIXELS, S2_VALUES, S2_VALUES, S4_VALUES, S4_VALUES, 128, 96, 32,
        32, 96, 128, S4_VALUES, S4_VALUES, 128,
        6 * 28 * 28, S2_VALUES, 16 * 10 * 10, S4_VALUES, 128, 96, S2_VALUES,
    ]
)  # fmt: skip
"""Sections of the memory of a batch, in vectors a block; D_… are gradients,
Z… weighted sums before batch norm."""
MEMORY = _MEMORY[-1][1]

(
    SUMS, ROW, C3_TURNED, D_C1, D_C3, D_S2, C1_SUMS, C1_BIAS_SUMS, C3_SUMS, C3_BIAS_SUMS,
    CHANNEL_SUMS, SLOPE, OFFSET, FACTOR, ALIVE, NO_BIAS,
) = _SCRATCH = _lay_out(
    [24, 1, 150, 6 * 30 * 30, 16 * 12 * 12, S2_VALUES, 150, 6, 2400, 16, 256, 8, 8, 8, 1, 8]
)  # fmt: skip
"""Sections of a thread's own memory, in vectors."""
SCRATCH = _SCRATCH[-1][1]


def window(flat: Floats, name: str) -> Tensor:
    """Return a view of a section as the tensor of that name; dense weights as (outputs, inputs)."""
    start, _ = WEIGHTS[name]
    _, shape, used = _WEIGHTS[name]
    values = torch.from_numpy(flat)[start : start + int(np.prod(shape))].view(shape)
    if used is not None:
        return values[: used[0], : used[1]].t()
    return values.permute(3, 0, 1, 2) if len(shape) == 4 else values


@torch.no_grad()
def pack(tensors: Mapping[str, Tensor], flat: Floats) -> None:
    """Copy tensors, named as in the state_dict, into their sections."""
    for name, tensor in tensors.items():
        place = window(flat, name)
        place.copy_(tensor.reshape(place.shape))


@torch.no_grad()
def unpack(flat: Floats, tensors: Mapping[str, Tensor]) -> None:
    """Copy sections into tensors, named as in the state_dict."""
    for name, tensor in tensors.items():
        tensor.copy_(window(flat, name).reshape(tensor.shape))
