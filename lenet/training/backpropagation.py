"""Forward pass, gradient and curvature of each kind of layer, written out for S networks at once.

The 1998 rule makes one update per image, so a step is tiny and autograd's cost per operation would
decide its speed. Here every operation serves S networks (one per seed), each with an image of its
own, and the curvature, which is no derivative that autograd knows, is the same backward pass with
every weight, input and slope squared.

The channels of a convolution are laid out as (S, channels, 4, Q): the four positions that the
subsampling layer adds lie along the third dimension, the Q squares along the last. Adding them is
then a sum, and handing a derivative to all four a broadcast.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from lenet.errors import UsageError
from lenet.models.activations import AMPLITUDE, SLOPE, ScaledTanh
from lenet.models.layers import RBF, PartialConvolution, Subsampling


class Rule(Protocol):
    """How S layers of one kind compute; `backward` belongs to the last `forward`."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the layers make of inputs (S, …)."""

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """Return the derivatives of the loss by the inputs, given those by the outputs.

        Args:
            delta: First derivatives by the outputs, or second ones if power is 2.
            power: 1 for the gradient; 2 for the curvature, where weights, inputs and slopes count
                squared. Source: Appendix C, equations 25 and 27.
        """


class Weighted:
    """What the rules of layers with weights share.

    Attributes:
        layers: The S modules that the weights come from.
        weight: (S, units, inputs + 1), the last column being the bias; of subsampling layers
            (S, channels, 2), coefficient and bias.
        derivatives: As `weight`: what the last `backward` found.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers
        self.weight = torch.stack([pack(layer) for layer in layers])
        self.derivatives = torch.zeros_like(self.weight)


class Squash:
    """The squashing function f(a) = A tanh(Sa), whose slope is AS - (S/A) f²."""

    def __init__(self, device: torch.device) -> None:
        self.steepest = torch.tensor(AMPLITUDE * SLOPE, device=device)
        self.states = torch.empty(0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Weighted sums → states of the same shape."""
        # tanh(u) = 2σ(2u) - 1: on a CPU torch's σ takes a sixth of the time of its tanh.
        self.states = inputs.mul(2 * SLOPE).sigmoid_().mul_(2 * AMPLITUDE).sub_(AMPLITUDE)
        return self.states

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """Derivatives by the states, or broadcastable to them → by the sums."""
        slope = torch.addcmul(self.steepest, self.states, self.states, value=-SLOPE / AMPLITUDE)
        return (slope.square_() if power == 2 else slope).mul_(delta)


class Convolution(Weighted):
    """Convolutions, complete or partial, whose channels are subsampled afterwards.

    Args:
        layers: The S convolutions.
        size: Rows and columns of their input, in pixels.
        first: Whether nothing before them learns.
    """

    def __init__(
        self, layers: Sequence[nn.Conv2d | PartialConvolution], size: tuple[int, int], first: bool
    ) -> None:
        super().__init__(layers)
        self.first = first
        self.kernel = layers[0].kernel_size[0]
        self.shape = (len(layers), layers[0].in_channels, *size)
        # Windows over the pixels' numbers tell which pixel each entry comes from.
        pixels = torch.arange(torch.Size(self.shape).numel(), device=self.weight.device)
        seen = self.windows(pixels.view(self.shape))  # (S, channels, k, k, 2, 2, rows, columns)
        self.seen_pixels = seen.reshape(-1)
        # What each position sees: (S, channels·k·k + 1, positions); the last row feeds the bias.
        area = seen[0, :, :, :, 0, 0, 0, 0].numel()
        self.seen = self.weight.new_ones(len(layers), area + 1, seen[0].numel() // area)
        self.seen_inputs = self.seen[:, :-1].view(seen.shape)

    def windows(self, inputs: Tensor) -> Tensor:
        """Return a view of inputs (S, C, H, W) as (S, C, k, k, 2, 2, rows, columns)."""
        windows = inputs.unfold(2, self.kernel, 1).unfold(3, self.kernel, 1)
        seeds, channels, height, width, k, _ = windows.shape
        squares = windows.view(seeds, channels, height // 2, 2, width // 2, 2, k, k)
        return squares.permute(0, 1, 6, 7, 3, 5, 2, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        """(S, channels, …) → (S, units, 4, Q)."""
        self.seen_inputs.copy_(self.windows(inputs.view(self.shape)))
        sums = torch.bmm(self.weight, self.seen)
        return sums.view(*sums.shape[:2], 4, -1)

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """(S, units, 4, Q) → (S, channels, H·W), or nothing if the layer is the first."""
        weight, seen = _raise_to(power, self.weight[:, :, :-1], self.seen)
        delta = delta.expand(-1, -1, 4, -1).flatten(2)
        torch.bmm(delta, seen.transpose(1, 2), out=self.derivatives)
        if self.first:
            return delta.new_empty(0)
        # A pixel lies in up to k·k windows: it gets the sum of what each of them hands back.
        spread = torch.bmm(weight.transpose(1, 2), delta)  # (S, channels·k·k, positions)
        inputs = delta.new_zeros(torch.Size(self.shape).numel())
        return inputs.index_add_(0, self.seen_pixels, spread.view(-1)).view(self.shape).flatten(2)


class Subsampling2x2(Weighted):
    """Subsampling layers, fed by convolutions."""

    def __init__(self, layers: Sequence[Subsampling]) -> None:
        super().__init__(layers)
        self.copies = layers[0].copies
        self.sums = torch.empty(0)

    def forward(self, inputs: Tensor) -> Tensor:
        """(S, channels / copies, 4, Q) → (S, channels, Q)."""
        self.sums = inputs.sum(2)
        if self.copies > 1:
            self.sums = self.sums.repeat_interleave(self.copies, dim=1)
        return torch.addcmul(self.weight[:, :, 1:], self.sums, self.weight[:, :, :1])

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """(S, channels, Q) → (S, channels / copies, 1, Q), the same for each of four inputs."""
        coefficient, sums = _raise_to(power, self.weight[:, :, :1], self.sums)
        delta = delta.view(sums.shape)
        torch.sum(delta * sums, 2, out=self.derivatives[:, :, 0])
        torch.sum(delta, 2, out=self.derivatives[:, :, 1])
        each = delta * coefficient
        seeds, channels, squares = each.shape
        return each.view(seeds, channels // self.copies, self.copies, squares).sum(2, keepdim=True)


class Dense(Weighted):
    """Fully connected layers, and convolutions that see their whole input.

    Args:
        layers: The S layers.
        first: Whether nothing before them learns.
    """

    def __init__(
        self, layers: Sequence[nn.Linear | nn.Conv2d | PartialConvolution], first: bool
    ) -> None:
        super().__init__(layers)
        self.first = first
        self.inputs = self.weight.new_ones(len(layers), self.weight.shape[2])  # the last is 1
        self.shape = self.inputs.shape

    def forward(self, inputs: Tensor) -> Tensor:
        """(S, …) → (S, units)."""
        self.shape = inputs.shape
        self.inputs[:, :-1].copy_(inputs.flatten(1))
        return torch.bmm(self.inputs[:, None], self.weight.transpose(1, 2)).squeeze(1)

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """(S, units) → the inputs' shape, or nothing if the layer is the first."""
        weight, inputs = _raise_to(power, self.weight[:, :, :-1], self.inputs)
        torch.mul(delta[:, :, None], inputs[:, None], out=self.derivatives)
        if self.first:
            return delta.new_empty(0)
        return torch.bmm(delta[:, None], weight).view(self.shape)


class Distances:
    """RBF outputs, y_i = Σ_j (x_j - w_ij)²."""

    def __init__(self, layers: Sequence[RBF]) -> None:
        self.centres = torch.stack([layer.centres for layer in layers])  # (S, classes, n)
        self.differences = torch.empty(0)

    def forward(self, inputs: Tensor) -> Tensor:
        """(S, n) → (S, classes)."""
        self.differences = inputs[:, None] - self.centres
        return self.differences.square().sum(2)

    def backward(self, delta: Tensor, power: int) -> Tensor:
        """(S, classes) → (S, n).

        dy_i/dx_j is 2 (x_j - w_ij) and d²y_i/dx_j² is 2. For power 2, delta holds what the loss
        weighs each penalty with, i.e. first derivatives: the penalties enter the loss linearly.
        """
        if power == 2:
            return 2 * delta.sum(1, keepdim=True).expand(-1, self.differences.shape[2])
        return torch.bmm(delta[:, None], self.differences).squeeze(1).mul_(2)


def write_rules(models: Sequence[nn.Module], size: tuple[int, int]) -> dict[str, Rule]:
    """Return the rules of S networks of one shape, by layer name, in order.

    Args:
        models: Networks whose layers act one after another, in the order of their definition.
        size: Rows and columns of their input, in pixels.

    Raises:
        UsageError: A layer's kind has no rule.
    """
    device = next(models[0].parameters()).device
    rules: dict[str, Rule] = {}
    for name, module in models[0].named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is None:
            raise UsageError(f"the sdlm rule cannot train layer {name} without biases", ("model",))
        layers = [model.get_submodule(name) for model in models]
        first = not rules
        match module:
            case ScaledTanh():
                rules[name] = Squash(device)
            case Subsampling():
                rules[name] = Subsampling2x2(layers)  # type: ignore[arg-type]
                size = (size[0] // 2, size[1] // 2)
            case nn.Linear():
                rules[name] = Dense(layers, first)  # type: ignore[arg-type]
            case nn.Conv2d() if (module.padding, module.stride) != ((0, 0), (1, 1)):
                raise UsageError(
                    f"the sdlm rule cannot train layer {name}, a convolution with padding or"
                    " stride",
                    ("model",),
                )
            case nn.Conv2d() | PartialConvolution() if module.kernel_size == size:
                rules[name] = Dense(layers, first)  # type: ignore[arg-type]
            case nn.Conv2d() | PartialConvolution():
                rules[name] = Convolution(layers, size, first)  # type: ignore[arg-type]
                height, width = module.kernel_size
                size = (size[0] - height + 1, size[1] - width + 1)
            case RBF():
                rules[name] = Distances(layers)  # type: ignore[arg-type]
            case nn.Flatten():
                pass
            case _ if not list(module.children()):
                kind = type(module).__name__
                raise UsageError(f"the sdlm rule cannot train layer {name}, a {kind}", ("model",))
    return rules


def pack(layer: nn.Module) -> Tensor:
    """Return a layer's weights as (units, inputs + 1), or (channels, 2) of a subsampling layer."""
    if isinstance(layer, Subsampling):
        return torch.stack([layer.coefficient, layer.bias], dim=1).detach()
    assert isinstance(layer, nn.Conv2d | nn.Linear | PartialConvolution)
    weight = layer.dense_weight() if isinstance(layer, PartialConvolution) else layer.weight
    assert layer.bias is not None
    return torch.cat([weight.flatten(1), layer.bias[:, None]], dim=1).detach()


@torch.no_grad()
def unpack(layer: nn.Module, packed: Tensor) -> None:
    """Set a layer's weights from what `pack` makes of them."""
    if isinstance(layer, Subsampling):
        layer.coefficient.copy_(packed[:, 0])
        layer.bias.copy_(packed[:, 1])
        return
    assert isinstance(layer, nn.Conv2d | nn.Linear | PartialConvolution)
    weight = packed[:, :-1]
    if isinstance(layer, PartialConvolution):
        kernels = weight.reshape(layer.out_channels, layer.in_channels, *layer.kernel_size)
        layer.weight.copy_(kernels[layer.outputs, layer.inputs])
    else:
        layer.weight.copy_(weight.view(layer.weight.shape))
    assert layer.bias is not None
    layer.bias.copy_(packed[:, -1])


def connected(layer: nn.Module) -> Tensor:
    """Return which elements of `pack(layer)` are weights, bool: all but the absent kernels."""
    if not isinstance(layer, PartialConvolution):
        return torch.ones_like(pack(layer), dtype=torch.bool)
    present = torch.zeros(
        layer.out_channels, layer.in_channels, *layer.kernel_size, dtype=torch.bool
    ).to(layer.weight.device)
    present[layer.outputs, layer.inputs] = True
    return torch.nn.functional.pad(present.flatten(1), (0, 1), value=True)


def _raise_to(power: int, weight: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and inputs, squared if power is 2."""
    return (weight.square(), inputs.square()) if power == 2 else (weight, inputs)
