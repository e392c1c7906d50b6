"""Max pooling, the same as torch's and quicker on a processor."""

import torch
from torch import Tensor, nn


class MaxPool2d(nn.MaxPool2d):
    """`torch.nn.MaxPool2d` without padding, values and gradients the same to the bit.

    On a CPU torch's own kernel goes from value to value, and took longer than the convolutions of
    LeNet-5 before it; oneDNN's takes a seventh of that. It passes NaN over, and where there is
    nothing else it puts the lowest number there is: sums of such in the next layer are inf or NaN.

    Attributes:
        one_dnn: Whether to call oneDNN where it can be called. `torch.vmap` does not know it.
    """

    one_dnn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size

    def forward(self, input: Tensor) -> Tensor:
        """(B, maps, H, W) → (B, maps, H / size, W / size), rounded down."""
        known = input.device.type == "cpu" and input.dtype == torch.float32 and input.dim() == 4
        if known and self.one_dnn and input.numel() and not torch.compiler.is_compiling():
            pooled = torch.mkldnn_max_pool2d(input.to_mkldnn(), self.size, self.size).to_dense()
        else:
            pooled = super().forward(input)
        return pooled
