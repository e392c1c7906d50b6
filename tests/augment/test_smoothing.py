"""Smoothing by matrices equals torchvision's blur, and its cores lose next to nothing."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.smoothing import reflect, smoothing_factor, smoothing_matrix
from lenet.rng import generator


def test_reflection_does_not_repeat_the_ends():
    assert reflect(torch.arange(-4, 7), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert reflect(torch.arange(-2, 3), 1).tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(("length", "sigma"), [(28, 4.0), (28, 0.7), (21, 2.0), (5, 0.4)])
def test_smoothing_matrix_equals_torchvisions_blur(length, sigma):
    kernel = int(8 * sigma + 1) // 2 * 2 + 1
    noise = torch.rand(length, length, dtype=torch.float64, generator=generator(0, "noise"))
    matrix = smoothing_matrix(length, sigma, kernel)
    theirs = F.gaussian_blur(noise[None], [kernel, kernel], [sigma, sigma])[0]
    torch.testing.assert_close(matrix @ noise @ matrix.T, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_smoothing_reflects_as_often_as_needed(length):
    matrix = smoothing_matrix(length, 4.0, 33)
    torch.testing.assert_close(matrix.sum(1), torch.ones(length, dtype=torch.float64))


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0, 4.0, 8.0])
def test_the_core_keeps_the_smoothed_fields_covariance(sigma):
    kernel = int(8 * sigma + 1) // 2 * 2 + 1
    matrix, factor = smoothing_matrix(28, sigma, kernel), smoothing_factor(28, sigma, kernel)
    covariance = matrix @ matrix.T
    lost = covariance - factor.double() @ factor.double().T
    assert lost.trace() / covariance.trace() < 1e-5
    assert lost.abs().max() / covariance.abs().max() < 1e-4


def test_the_core_is_small_where_the_field_is_smooth():
    assert smoothing_factor(28, 4.0, 33).shape == (28, 8)
    assert smoothing_factor(28, 0.0, 1).shape == (28, 28)
