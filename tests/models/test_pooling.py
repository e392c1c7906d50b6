import pytest
import torch
from torch import nn

from lenet.models.lenet5_modern import LeNet5Modern
from lenet.models.pooling import MaxPool2d


@pytest.mark.parametrize("shape", [(2, 6, 28, 28), (3, 16, 10, 10), (1, 1, 5, 7), (1, 3, 2, 2)])
def test_values_and_gradients_are_torchs_to_the_bit_also_where_values_tie(shape):
    # Small whole numbers tie often, and so do the zeros of a rectified map.
    inputs = torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(0)).float()
    ours, theirs = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    pooled, expected = MaxPool2d(2)(ours), nn.MaxPool2d(2)(theirs)
    weights = torch.randn(expected.shape)
    (pooled * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(pooled, expected)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.randn(2, 3, 8, 8, dtype=torch.float64),
        torch.randn(3, 8, 8),
        torch.randn(0, 3, 8, 8),
        torch.randn(2, 8, 8, 3).permute(0, 3, 1, 2),
        torch.randn(2, 3, 16, 16)[:, :, ::2, ::2],
    ],
    ids=["double", "no batch", "no image", "maps last", "every other pixel"],
)
def test_other_tensors_are_pooled_too(inputs):
    assert torch.equal(MaxPool2d(2)(inputs), nn.MaxPool2d(2)(inputs))


def test_a_network_whose_kernels_are_nan_puts_out_nothing_sensible():
    torch.manual_seed(0)
    network = LeNet5Modern()
    nn.init.constant_(network.c1.weight, torch.nan)
    outputs = network(torch.zeros(1, 1, 32, 32))
    assert not (outputs.abs() < 1e30).any()
