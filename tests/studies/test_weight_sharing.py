"""A shared weight's gradient is the sum over its copies."""

import torch
from torch import nn

from lenet.models.local import LocallyConnected
from lenet.studies.weight_sharing import (
    copy_filters,
    pooling_gradients,
    tie_gradients,
    train_side_by_side,
)


def pair() -> tuple[nn.Conv2d, LocallyConnected]:
    convolution, local = nn.Conv2d(2, 3, 3), LocallyConnected(2, 3, 3, (7, 6))
    copy_filters(convolution, local)
    return convolution.double(), local.double()


def test_equal_filters_at_every_place_are_a_convolution() -> None:
    convolution, local = pair()
    images = torch.rand(4, 2, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(local(images), convolution(images))


def test_strides_are_those_of_a_convolution() -> None:
    convolution, local = nn.Conv2d(1, 2, 3, stride=2), LocallyConnected(1, 2, 3, (8, 9), stride=2)
    copy_filters(convolution, local)
    images = torch.rand(2, 1, 8, 9)
    torch.testing.assert_close(local(images), convolution(images))


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_copies() -> None:
    convolution, local = pair()
    images = torch.rand(4, 2, 7, 6, dtype=torch.float64)
    for layer in (convolution, local):
        layer(images).square().sum().backward()
    torch.testing.assert_close(local.weight.grad.sum(-1).view(3, 2, 3, 3), convolution.weight.grad)
    torch.testing.assert_close(local.bias.grad.sum(-1), convolution.bias.grad)
    copies = local.weight.grad
    assert not torch.allclose(copies[..., 0], copies[..., 1])  # each copy alone learns otherwise


def test_tied_copies_get_one_gradient() -> None:
    _, local = pair()
    local(torch.rand(1, 2, 7, 6, dtype=torch.float64)).square().sum().backward()
    total = local.weight.grad.sum(-1)
    tie_gradients(local)
    for place in range(20):
        torch.testing.assert_close(local.weight.grad[..., place], total)


def test_tied_copies_stay_a_convolution_step_for_step() -> None:
    images = torch.rand(8, 1, 10, 10, dtype=torch.float64)
    labels = torch.arange(8)
    steps = list(train_side_by_side(images, labels, filters=2, size=3, steps=20, lr=0.01, seed=0))
    assert steps[-1].shared_loss < steps[0].shared_loss
    for step in steps:
        assert abs(step.shared_loss - step.tied_loss) < 1e-12
        assert step.largest_difference < 1e-12


def test_pooling_passes_the_gradient_to_the_largest_or_in_equal_parts() -> None:
    passed = pooling_gradients(torch.tensor([[1.0, 6.0], [5.0, 2.0]]))
    assert passed["max"].tolist() == [[0, 1], [0, 0]]
    assert passed["average"].tolist() == [[0.25, 0.25], [0.25, 0.25]]
