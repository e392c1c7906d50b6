"""Today's LeNet-5."""

import pytest
import torch
from torch import nn

from lenet.errors import UsageError
from lenet.models.lenet5_modern import LeNet5Modern, fold_batch_norm


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


def test_it_takes_32_pixels_only_and_follows_any_other_size_through_its_layers() -> None:
    with pytest.raises(UsageError) as caught:
        LeNet5Modern(size=28)
    assert str(caught.value) == (
        "LeNet-5 takes 32×32 pixels, not 28×28"
        " (28 → c1 24 → s2 12 → c3 8 → s4 4 → c5 0, where 1 is needed)"
    )
    with pytest.raises(UsageError, match=r"s2 14.5 → c3 10.5 → s4 5.25 → c5 1.25, where 1"):
        LeNet5Modern(size=33)


def test_channels_and_classes_are_the_datasets() -> None:
    model = LeNet5Modern(in_channels=3, classes=47)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 47)


def test_a_folded_network_says_the_same_with_61706_weights() -> None:
    torch.manual_seed(0)
    model = LeNet5Modern(activation="silu", pooling="average", batch_norm=True)
    for _ in range(3):  # statistics other than 0 and 1
        model(torch.rand(32, 1, 32, 32) * 3)
    for norm in (
        model.activation1[0],
        model.activation3[0],
        model.activation5[0],
        model.activation6[0],
    ):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        torch.nn.init.uniform_(norm.bias, -1, 1)
    images = torch.rand(4, 1, 32, 32)
    folded = fold_batch_norm(model.eval())
    torch.testing.assert_close(folded(images), model(images), atol=1e-5, rtol=1e-5)
    assert sum(w.numel() for w in folded.parameters()) == 61_706
    assert len(list(folded.buffers())) == 0


def test_only_a_trained_network_with_batch_norm_is_folded() -> None:
    with pytest.raises(ValueError, match="with batch norm, in evaluation mode"):
        fold_batch_norm(LeNet5Modern().eval())
    with pytest.raises(ValueError, match="with batch norm, in evaluation mode"):
        fold_batch_norm(LeNet5Modern(batch_norm=True))
