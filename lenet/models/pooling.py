"""Max pooling, equal to torch's and faster on a CPU."""

import torch
from torch import Tensor, nn


class MaxPool2d(nn.MaxPool2d):
    """`torch.nn.MaxPool2d` without padding, with the same values and gradients to the bit.

    On a CPU torch's own kernel goes from value to value, and takes longer than the convolutions of
    LeNet-5 before it; oneDNN's takes a seventh of that. It skips NaN: of nothing but NaN it returns
    the lowest number that there is, so a network whose weights are NaN may put out huge numbers.

    Attributes:
        one_dnn: Whether to call oneDNN where possible; `torch.vmap` does not support it.
    """

    one_dnn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, channels, H / size, W / size), rounded down."""
        known = input.device.type == "cpu" and input.dtype == torch.float32 and input.dim() == 4
        if known and self.one_dnn and input.numel() and not torch.compiler.is_compiling():
            pooled = torch.mkldnn_max_pool2d(input.to_mkldnn(), self.size, self.size).to_dense()
        else:
            pooled = super().forward(input)
        return pooled
