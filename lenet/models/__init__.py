"""The networks, one file each, and the table that names them."""

from typing import Any

from torch import nn

from lenet.models.compact import Compact
from lenet.models.lenet1 import LeNet1
from lenet.models.lenet4 import LeNet4
from lenet.models.lenet5 import LeNet5
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.models.line import Line
from lenet.models.lush import Lush
from lenet.models.mlp import MLP, Linear
from lenet.models.sequence import LayerSequence

MODELS: dict[str, type[nn.Module]] = {
    "lenet1": LeNet1,
    "lenet4": LeNet4,
    "lenet5": LeNet5,
    "lush": Lush,
    "lenet5-modern": LeNet5Modern,
    "compact": Compact,
    "mlp": MLP,
    "linear": Linear,
    "line": Line,
    "layers": LayerSequence,
}


def build_model(kind: str, size: int, **options: Any) -> nn.Module:
    """Build a network.

    Args:
        kind: A key of `MODELS`.
        size: Width and height of its input in pixels.
        options: Its constructor's other arguments, such as ``in_channels`` and ``classes``.
    """
    return MODELS[kind](size=size, **options)
