"""Elastic distortion has torchvision's distribution, and its effect at an equal field."""

from math import sqrt

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.elastic import ElasticTransform, smoothing_factor, smoothing_matrix
from lenet.rng import generator


def test_drawn_fields_vary_as_much_as_torchvisions():
    transform = ElasticTransform((34, 50), (4, 5))
    drawn = transform.draw(1000, (28, 28), generator(0, "test"))
    ours = transform.field(drawn, (28, 28)).spread()  # pixels
    noise = torch.rand(1000, 2, 28, 28, generator=generator(0, "noise")) * 2 - 1
    for axis, (alpha, kernel) in enumerate(((34, 33), (50, 41))):
        smooth = F.gaussian_blur(noise[:, axis : axis + 1], [kernel, kernel], [4.0, 5.0])
        theirs = smooth[:, 0] * alpha / 28 * 14  # torchvision's unit is half the image
        # Each standard deviation is known to 1/√2000 = 2.2 %; 784 pairs of them are compared.
        torch.testing.assert_close(ours[:, axis].std(0), theirs.std(0), rtol=0.16, atol=0.0)
        assert ours[:, axis].mean().abs() < 0.05
        along = (ours[:, axis, 14, 14] * ours[:, axis, 14, 18]).mean()
        expected = (theirs[:, 14, 14] * theirs[:, 14, 18]).mean()
        torch.testing.assert_close(along, expected, rtol=0.2, atol=0.0)


@pytest.mark.parametrize("sigma", [0.0, 0.6, 1.0, 2.0, 3.9])
def test_below_sigma_4_the_field_is_torchvisions_smoothing_of_uniform_noise(sigma):
    transform = ElasticTransform(2.0, sigma)
    drawn = transform.draw(100, (28, 22), generator(0, "test"))
    noise = drawn["core"] / sqrt(3)  # of variance 1/3, as torchvision's
    assert noise.shape == (100, 2, 28, 22)
    assert 0.999 < noise.max() <= 1
    assert -1 <= noise.min() < -0.999
    kernel = int(8 * sigma + 1) // 2 * 2 + 1
    smoothed = F.gaussian_blur(noise, [kernel] * 2, [sigma] * 2) if sigma else noise
    ours = transform.field(drawn, (28, 22)).spread()
    torch.testing.assert_close(ours, smoothed, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sigma", [4.0, 5.5, 8.0])
@pytest.mark.parametrize(("pixel", "most"), [((14, 14), 0.0003), ((0, 0), 0.001)])
def test_from_sigma_4_on_smoothed_uniform_noise_is_as_good_as_normal(sigma, pixel, most):
    # A sum of w·u, u uniform, has an excess kurtosis of -6/5 · Σw⁴ / (Σw²)². To first order that
    # moves its distribution function by kurtosis/24 · (3x - x³) φ(x), 0.550 at most.
    kernel = int(8 * sigma + 1) // 2 * 2 + 1
    down, across = (smoothing_matrix(28, sigma, kernel)[at] for at in pixel)
    weights = torch.outer(down, across)
    kurtosis = -1.2 * float((weights**4).sum() / (weights**2).sum() ** 2)
    assert abs(kurtosis) / 24 * 0.550 < most


def test_fields_of_sigma_4_and_of_uniform_noise_have_one_distribution():
    from scipy.stats import ks_2samp  # takes a second, which only this test shall wait

    drawn = ElasticTransform(2.0, 4.0).draw(20_000, (28, 28), generator(0, "test"))
    ours = ElasticTransform(2.0, 4.0).field(drawn, (28, 28)).spread()[:, 0, 14, 14]
    noise = torch.rand(20_000, 28 * 28, generator=generator(0, "noise")) * 2 - 1
    # The blur is linear, so that of single pixels gives the weight of each in that of the noise.
    pixels = torch.eye(28 * 28).view(-1, 1, 28, 28)
    theirs = noise @ F.gaussian_blur(pixels, [33, 33], [4.0, 4.0])[:, 0, 14, 14]
    assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 0.01


def test_unsmoothed_noise_has_the_variance_of_uniform_noise():
    transform = ElasticTransform(2.0, 0.0)
    drawn = transform.draw(500, (28, 28), generator(0, "test"))
    field = transform.field(drawn, (28, 28)).spread()
    assert float(field.std()) == pytest.approx(sqrt(1 / 3), rel=0.01)


def test_elastic_equals_torchvisions_at_an_equal_field():
    images = torch.rand(8, 1, 28, 22, generator=generator(0, "pictures"))
    transform = ElasticTransform(60, 4)
    drawn = transform.draw(8, (28, 22), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    field = transform.field(drawn, (28, 22)).spread() / torch.tensor([11.0, 14.0]).view(1, 2, 1, 1)
    for i, image in enumerate(images):
        theirs = F.elastic(image, field[i : i + 1].permute(0, 2, 3, 1))
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-4)


def test_alpha_zero_is_the_identity():
    images = torch.rand(2, 1, 28, 28)
    still = ElasticTransform(0, 4)
    drawn = still.draw(2, (28, 28), generator(0, "test"))
    torch.testing.assert_close(still.apply_to(images, drawn), images, rtol=0, atol=1e-5)


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
