import pytest
import torch
from torch import nn

from lenet.models.activations import ScaledTanh
from lenet.models.layers import (
    RBF,
    PartialConvolution,
    Subsampling,
    count_connections,
    draw_weights,
    fan_in,
)


def test_squashing_function_maps_one_to_one_and_has_the_stated_slopes():
    sums = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    squashed = ScaledTanh()(sums)
    squashed.sum().backward()
    torch.testing.assert_close(squashed, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(sums.grad, torch.tensor([0.7554, 1.1439, 0.7554]), atol=1e-4, rtol=0)


def test_subsampling_adds_four_neighbours_and_does_not_average():
    layer = Subsampling(2, coefficient=0.5)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.0, 10.0]))
    images = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])[None]
    assert layer(images).flatten().tolist() == [5.0, 12.0]


def test_partial_convolution_sees_only_its_table():
    layer = PartialConvolution(3, [(0, 2), (1,)], kernel_size=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0, 5.0])[:, None, None])
        layer.bias.copy_(torch.tensor([0.5, 0.0]))
    images = torch.tensor([1.0, 10.0, 100.0])[None, :, None, None]
    assert layer(images).flatten().tolist() == [2 + 300 + 0.5, 50]


def test_partial_convolution_with_a_full_table_equals_conv2d():
    torch.manual_seed(0)
    full = nn.Conv2d(2, 3, 5)
    layer = PartialConvolution(2, [(0, 1)] * 3)
    with torch.no_grad():
        layer.weight.copy_(full.weight.reshape(6, 5, 5))
        layer.bias.copy_(full.bias)
    images = torch.rand(2, 2, 7, 7)
    torch.testing.assert_close(layer(images), full(images))


def test_rbf_is_the_squared_distance_without_a_half():
    layer = RBF(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    assert layer(torch.tensor([[1.0, 3.0]])).tolist() == [[4.0, 8.0]]
    assert list(layer.parameters()) == []


def test_fan_in_counts_the_maps_a_unit_is_connected_to():
    layer = PartialConvolution(3, [(0, 2), (1,)])
    assert fan_in(layer).flatten().tolist() == [50, 50, 25]
    assert fan_in(nn.Linear(120, 84)) == 120
    assert fan_in(nn.Conv2d(16, 120, 5)) == 400
    with pytest.raises(TypeError, match="ScaledTanh has no fan-in"):
        fan_in(ScaledTanh())


@pytest.mark.parametrize(
    ("init", "bound"), [("fan-in", 0.024), ("sqrt-fan-in", 0.24), ("inverse-sqrt-fan-in", 0.1)]
)
def test_weights_fill_their_interval_and_biases_are_zero(init, bound):
    torch.manual_seed(0)
    layer = nn.Linear(100, 200)
    draw_weights(layer, init)
    assert bound * 0.99 < layer.weight.abs().max() <= bound
    assert abs(layer.weight.mean()) < bound * 0.02
    assert not layer.bias.any()


def test_a_layer_without_weights_has_no_connections():
    assert count_connections(ScaledTanh(), torch.zeros(1, 6, 28, 28)) == 0
