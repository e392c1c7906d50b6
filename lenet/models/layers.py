"""The layers of 1998 that torch does not have."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Subsampling(nn.Module):
    """Halve each channel: add 2×2 neighbours; a coefficient and a bias per channel.

    The four inputs are added, not averaged; the squashing function that follows is a layer of
    its own. (B, channels / copies, H, W) becomes (B, channels, H/2, W/2).

    Args:
        channels: Number of channels, which is also the number of coefficients and of biases.
        coefficient: What all coefficients start at; the paper does not say. ½ is 1 / √4, as in
            the authors' Lush code.
        copies: How many channels in a row look at the same input channel; LeNet-4 has two.

    Source: Section II-B, layer S2.
    """

    kernel_size = stride = (2, 2)

    def __init__(self, channels: int, coefficient: float = 0.5, copies: int = 1) -> None:
        super().__init__()
        self.channels = channels
        self.copies = copies
        self.coefficient = nn.Parameter(torch.full((channels,), coefficient))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, images: Tensor) -> Tensor:
        """Return the (B, channels, H/2, W/2) sums of (B, channels / copies, H, W) images."""
        # Four times the mean, to the same bit: ONNX has no sum over neighbours.
        mean = F.avg_pool2d(images, self.kernel_size)  # (B, channels / copies, H/2, W/2)
        mean = mean.repeat_interleave(self.copies, dim=1)  # (B, channels, H/2, W/2)
        return mean * (4 * self.coefficient[:, None, None]) + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """Show the number of channels in the module's representation."""
        return str(self.channels)


class PartialConvolution(nn.Module):
    """A convolution whose output channels each see only some of the input channels.

    Only the kernels that exist are parameters, so an absent connection needs no mask and cannot
    learn. (B, in_channels, H, W) becomes (B, len(table), H - k + 1, W - k + 1).

    Args:
        in_channels: Number of input channels.
        table: For each output channel, the input channels it is connected to.
        kernel_size: Height and width k of every kernel, in pixels.

    Source: Section II-B, layer C3 and Table I.
    """

    inputs: Tensor
    outputs: Tensor

    def __init__(
        self, in_channels: int, table: Sequence[Sequence[int]], kernel_size: int = 5
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = len(table)
        self.kernel_size = (kernel_size, kernel_size)
        self.table = tuple(tuple(row) for row in table)
        pairs = [(i, o) for o, row in enumerate(self.table) for i in row]
        inputs, outputs = (side.clone() for side in torch.tensor(pairs).T)  # each its own memory
        self.register_buffer("inputs", inputs, persistent=False)  # (kernels,) input channel of each
        self.register_buffer("outputs", outputs, persistent=False)  # (kernels,) its output channel
        self.weight = nn.Parameter(torch.zeros(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(self.out_channels))

    def dense_weight(self) -> Tensor:
        """Return the kernels, (out, in, k, k), zero where there is no connection."""
        dense = self.weight.new_zeros(self.out_channels, self.in_channels, *self.kernel_size)
        return dense.index_put((self.outputs, self.inputs), self.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve (B, in_channels, H, W) images."""
        return F.conv2d(images, self.dense_weight(), self.bias)

    def extra_repr(self) -> str:
        """Show the number of channels and kernels in the module's representation."""
        return f"{self.in_channels}, {self.out_channels}, kernels={len(self.weight)}"


class RBF(nn.Module):
    """Squared Euclidean distance to each of the fixed centres: y_i = Σ_j (x_j - w_ij)².

    The output is a penalty: the smallest one is the predicted class. (B, n) becomes (B, classes).

    Args:
        centres: (classes, n) tensor, kept as it is; it is saved but never trained.

    Source: Section II-B, equation 7.
    """

    centres: Tensor

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)

    def forward(self, states: Tensor) -> Tensor:
        """Return the (B, classes) penalties of (B, n) states."""
        return (states[:, None, :] - self.centres).square().sum(dim=2)

    def extra_repr(self) -> str:
        """Show the number of inputs and classes in the module's representation."""
        classes, size = self.centres.shape
        return f"{size}, {classes}"


def fan_in(layer: nn.Module) -> Tensor:
    """Return how many inputs feed the unit behind each weight, broadcastable to `layer.weight`.

    The bias does not count, and neither does the paper say whether it should.

    Raises:
        TypeError: If `layer` has no weights that start at random.
    """
    if isinstance(layer, PartialConvolution):
        area = layer.kernel_size[0] * layer.kernel_size[1]
        per_map = torch.tensor([float(len(row) * area) for row in layer.table])
        return per_map[layer.outputs.cpu()][:, None, None]  # (kernels, 1, 1)
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return torch.tensor(float(layer.weight[0].numel()))
    raise TypeError(f"{type(layer).__name__} has no fan-in")


INITIALS: dict[str, tuple[float, float]] = {
    "fan-in": (2.4, 1.0),
    "sqrt-fan-in": (2.4, 0.5),
    "inverse-sqrt-fan-in": (1.0, 0.5),
}
"""(scale, power): weights start uniform in ±scale / F^power, F being the inputs of the unit."""


@torch.no_grad()
def draw_weights(model: nn.Module, init: str) -> None:
    """Draw every weight from its interval and set every bias to zero.

    `Subsampling` coefficients are not random and stay as they were built. Randomness comes from
    torch's global generator, as in `nn.Linear`.

    Args:
        model: Changed in place.
        init: A key of `INITIALS`.

    Source: Appendix A, "Initializing the weights", says ±2.4/F ("fan-in") and nothing of biases.
    """
    scale, power = INITIALS[init]
    for layer in model.modules():
        if isinstance(layer, PartialConvolution | nn.Conv2d | nn.Linear):
            bound = scale / fan_in(layer) ** power
            layer.weight.copy_((2 * torch.rand(layer.weight.shape) - 1) * bound)
            if layer.bias is not None:
                layer.bias.zero_()


def count_connections(layer: nn.Module, output: Tensor) -> int:
    """Count a layer's connections as the paper does: one per weight or bias and use of it.

    Args:
        layer: One of this module's layers, or torch's `Conv2d` or `Linear`; others count zero.
        output: What the layer made of a batch of one image, (1, channels, H, W) or (1, units).

    Source: Section II-B, whose numbers for LeNet-5 add up to 340,908.
    """
    if isinstance(layer, Subsampling):
        return output.numel() * 5  # four inputs and the bias
    if isinstance(layer, RBF):
        return layer.centres.numel()
    if isinstance(layer, PartialConvolution | nn.Conv2d | nn.Linear):
        positions = output[0, 0].numel()
        return positions * sum(parameter.numel() for parameter in layer.parameters())
    return 0
