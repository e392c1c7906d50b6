"""Fully connected networks."""

import pytest
import torch

from lenet.models.mlp import MLP, Linear


@pytest.mark.parametrize(
    ("hidden", "weights"),
    [
        # Parameters of the paper's Figure 9 networks: (784 + 1) h + (h + 1) 10, and so on.
        ([300], 238_510),
        ([1000], 795_010),
        ([300, 100], 266_610),
        ([500, 150], 469_160),
    ],
)
def test_the_papers_networks_have_its_numbers_of_weights(hidden: list[int], weights: int) -> None:
    assert sum(w.numel() for w in MLP(hidden).parameters()) == weights


def test_the_lectures_perceptron_has_24864180_weights_without_biases() -> None:
    model = MLP([3333, 3333, 3333])
    # 784 · 3333 + 3333² + 3333² + 3333 · 10
    assert sum(w.numel() for w in model.parameters() if w.dim() == 2) == 24_864_180


def test_a_linear_classifier_has_7850_weights_and_no_bend() -> None:
    model = Linear()
    assert sum(w.numel() for w in model.parameters()) == 7_850
    a, b = torch.randn(2, 1, 1, 28, 28)
    a, b = a[None], b[None]
    middle = model((a + b) / 2)
    torch.testing.assert_close(middle, (model(a) + model(b)) / 2)


def test_squashed_outputs_stay_within_the_papers_amplitude() -> None:
    outputs = MLP([5], "scaled-tanh", "scaled-tanh")(100 * torch.randn(4, 1, 28, 28))
    assert outputs.abs().max() <= 1.7159


def test_dropout_is_active_in_training_only() -> None:
    model, picture = MLP([50], dropout=0.5), torch.randn(1, 1, 28, 28)
    assert not torch.equal(model(picture), model(picture))
    model.eval()
    assert torch.equal(model(picture), model(picture))
