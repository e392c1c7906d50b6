"""Weights and states on grids of few bits: what a chip without floating point can store.

A network that is trained for a chip computes with rounded weights and states, and learns by
gradients that pass through the rounding. It keeps its modules, their names, and the weights that it
rounds, so that it starts from and becomes any other network of its shape.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", for the grids; Bengio, Léonard and Courville 2013, "Estimating
or propagating gradients through stochastic neurons", for the straight-through gradient.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from lenet.models.convolutions import read_convolutions
from lenet.models.layers import PartialConvolution

STATE_BITS = 8
"""Bits of the layers' states."""
BOUNDS = "bounds"
"""The buffer of a module whose states are rounded: the least and the largest, averaged over
batches; 0 and 0 before the first one."""
NEWEST = 0.01
"""Share of a batch in those averages."""
CLIPS = 16
"""How many largest weights are tried for a grid: 1, 15/16 … of the way down to half of it."""


def grid_step(weight: Tensor, bits: int) -> Tensor:
    """Return the step of each output channel's grid, the one with the least squared error.

    The grid has ``2^bits - 1`` values, symmetric about 0. A largest value below the largest weight
    cuts that weight off and places all others more finely.

    Args:
        weight: Shape (out, …).
        bits: 2 to 8.

    Returns:
        Shape (out, 1, …), positive, also where all weights are 0.
    """
    most = 2 ** (bits - 1) - 1
    rows = weight.detach().flatten(1)  # (out, n)
    largest = rows.abs().amax(dim=1).clamp(min=1e-12)
    shares = torch.linspace(1, 0.5, CLIPS, dtype=rows.dtype, device=rows.device)
    steps = shares[:, None] * largest / most  # (CLIPS, out)
    # In place, as this is done at every step of training.
    lost = (rows / steps[:, :, None]).round_().clamp_(-most, most).mul_(steps[:, :, None])
    best = lost.sub_(rows).square_().sum(dim=2).argmin(dim=0)  # (out,)
    step: Tensor = steps.gather(0, best[None])[0]
    return step.view(-1, *[1] * (weight.dim() - 1))


def to_integers(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round weights to their grid.

    Returns:
        Integers in ±(2^(bits - 1) - 1), in the weight's shape and dtype, and the step of each
        output channel, (out, 1, …): the weights are nearly their product.
    """
    step = grid_step(weight, bits)
    most = 2 ** (bits - 1) - 1
    return (weight / step).round().clamp(-most, most), step


def quantize_model(model: nn.Module, bits: int, channels: int, size: int) -> None:
    """Let a network compute with weights of few bits, and with states of 8 behind each layer.

    In training, the grids of the states follow the largest ones. Gradients pass through the
    rounding, but not to states beyond their grid.

    Args:
        model: Changed in place.
        bits: Of each weight, 2 to 8.
        channels: Of its input.
        size: Height and width of its input in pixels.

    Raises:
        UsageError: A layer is not covered; it is named.
    """
    layers = read_convolutions(model, channels, size)
    for layer in layers:
        module = model.get_submodule(layer.name)
        if isinstance(module, nn.Conv2d | nn.Linear | PartialConvolution):
            # Other layers' weights are equal within a channel, or ±1: they lie on any grid.
            module.__dict__["weight_bits"] = bits
            module.register_forward_pre_hook(_use_rounded)
            module.register_forward_hook(_use_own, always_call=True)
    for layer in layers[:-1]:  # the outputs are as fine as can be
        module = model.get_submodule(layer.end)
        module.register_buffer(BOUNDS, torch.zeros(2))
        module.register_forward_hook(_round_states)


def with_rounded_weights(model: nn.Module) -> nn.Module:
    """Return a copy of a network that has the weights that it computes with; states are floats."""
    copy = deepcopy(model)
    for module in copy.modules():
        if hasattr(module, "weight_bits"):
            weight: Any = module.weight
            weight.data = _rounded(module).data
            del module.weight_bits
        if hasattr(module, BOUNDS):
            delattr(module, BOUNDS)
    return copy


def state_grid(bounds: Tensor) -> tuple[Tensor, Tensor]:
    """Return the step and the zero with which 8 bits hold states.

    A state x is stored as round(x / step) + zero, from 0 to 255; zero is 0 where no state is
    negative, else 128.

    Args:
        bounds: The least and the largest state, (2,).
    """
    low, high = bounds
    signed = torch.maximum(-low / 2 ** (STATE_BITS - 1), high / (2 ** (STATE_BITS - 1) - 1))
    step = torch.where(low < 0, signed, high / (2**STATE_BITS - 1)).clamp(min=1e-12)
    return step, torch.where(low < 0, 2 ** (STATE_BITS - 1), 0).int()


def _rounded(module: Any) -> Tensor:
    """Return a layer's weights on their grid, with the gradient of the weights themselves."""
    weight: Tensor = module.weight
    partial = isinstance(module, PartialConvolution)
    with torch.no_grad():
        rows = module.dense_weight() if partial else weight  # (out, …)
        integers, step = to_integers(rows, module.weight_bits)
        rounded = integers * step
        rounded = rounded[module.outputs, module.inputs] if partial else rounded
    return rounded + (weight - weight.detach())  # to the bit: the difference is 0


def _use_rounded(module: nn.Module, inputs: Any) -> None:
    if hasattr(module, "weight_bits"):
        # An attribute of the module itself is found before its parameter of that name.
        module.__dict__["weight"] = _rounded(module)


def _use_own(module: nn.Module, inputs: Any, output: Any) -> None:
    module.__dict__.pop("weight", None)


def _round_states(module: nn.Module, inputs: Any, states: Tensor) -> Tensor:
    bounds = getattr(module, BOUNDS, None)
    if bounds is None:
        return states
    if module.training:
        new = torch.stack(torch.aminmax(states.detach()))
        share = torch.where(bounds.any(), NEWEST, 1.0)  # all of the first batch
        bounds.copy_(torch.lerp(bounds, new, share))
    elif not bounds.any():
        return states  # nothing is known of them yet
    step, zero = state_grid(bounds)
    return torch.fake_quantize_per_tensor_affine(states, step, zero, 0, 2**STATE_BITS - 1)
