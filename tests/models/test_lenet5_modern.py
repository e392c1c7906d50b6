"""Today's LeNet-5."""

import pytest
import torch
from torch import nn

from lenet.models.lenet5_modern import LeNet5Modern


def trainable(module: nn.Module) -> int:
    return sum(w.numel() for w in module.parameters() if w.requires_grad)


def test_it_has_61706_weights() -> None:
    model = LeNet5Modern()
    layers = (model.c1, model.c3, model.c5, model.f6, model.output)
    # 6 (25 + 1), 16 (6 · 25 + 1), 120 (16 · 25 + 1), 84 (120 + 1), 10 (84 + 1)
    assert [trainable(layer) for layer in layers] == [156, 2416, 48120, 10164, 850]
    assert trainable(model) == 61_706


@pytest.mark.parametrize("activation", ["relu", "tanh", "scaled-tanh", "gelu", "silu"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_every_option_gives_ten_scores_per_picture(activation: str, pooling: str) -> None:
    model = LeNet5Modern(activation, pooling, batch_norm=True, dropout=0.5)
    assert model(torch.randn(3, 1, 32, 32)).shape == (3, 10)


def test_batch_norm_adds_two_weights_per_map_and_unit() -> None:
    assert trainable(LeNet5Modern(batch_norm=True)) == 61_706 + 2 * (6 + 16 + 120 + 84)


def test_it_looks_at_32_pixels_only() -> None:
    with pytest.raises(ValueError, match="32×32 pixels, not 28×28"):
        LeNet5Modern(size=28)
