"""Elastic distortion has torchvision's distribution, and its effect at an equal field."""

from math import sqrt

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment.elastic import ElasticTransform
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
