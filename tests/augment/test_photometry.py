"""Changes of grey level equal torchvision's at equal factors."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from lenet.augment import tone
from lenet.augment.photometry import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomGamma,
    RandomInvert,
)
from lenet.errors import UsageError
from lenet.rng import generator

FACTORS = torch.tensor([0.0, 0.3, 1.0, 1.7, 4.0])


def pictures(batch: int, height: int = 28, width: int = 28) -> torch.Tensor:
    draw = generator(0, "pictures")
    images = torch.rand(batch, 1, height, width, generator=draw)
    return images * (torch.rand(batch, 1, height, width, generator=draw) < 0.4)


def assert_equal_one_by_one(ours, images, theirs, factors):
    for mine, image, factor in zip(ours, images, factors.tolist(), strict=True):
        torch.testing.assert_close(mine, theirs(image, factor), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (tone.adjust_brightness, F.adjust_brightness),
        (tone.adjust_contrast, F.adjust_contrast),
        (tone.adjust_saturation, F.adjust_saturation),
        (tone.adjust_sharpness, F.adjust_sharpness),
        (lambda images, gammas: tone.adjust_gamma(images, gammas, torch.ones(5)), F.adjust_gamma),
    ],
)
@pytest.mark.parametrize("size", [(28, 28), (3, 5), (2, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_factors_equal_torchvisions(ours, theirs, size, channels):
    images = pictures(5 * channels, *size).view(5, channels, *size)
    assert_equal_one_by_one(ours(images, FACTORS), images, theirs, FACTORS)


def test_posterize_solarize_and_autocontrast_equal_torchvisions():
    images = pictures(9)
    bits = torch.arange(9)
    assert_equal_one_by_one(tone.posterize(images, bits.float()), images, F.posterize, bits)
    thresholds = torch.linspace(0, 1, 9)
    assert_equal_one_by_one(tone.solarize(images, thresholds), images, F.solarize, thresholds)
    flat = torch.cat([images, torch.full((1, 1, 28, 28), 0.25)])
    torch.testing.assert_close(tone.autocontrast(flat), F.autocontrast(flat))


def test_equalize_equals_torchvisions():
    images = torch.cat([pictures(9), torch.full((1, 1, 28, 28), 0.25), torch.zeros(1, 1, 28, 28)])
    torch.testing.assert_close(tone.equalize(images), F.equalize(images))
    tiny = torch.rand(3, 1, 1, 1)
    torch.testing.assert_close(tone.equalize(tiny), F.equalize(tiny))


@pytest.mark.parametrize(("kernel", "sigma"), [(5, (0.1, 2)), ((3, 7), 1.5), (23, (3, 3)), (1, 1)])
def test_blur_equals_torchvisions(kernel, sigma):
    images = pictures(8, 28, 24)
    transform = GaussianBlur(kernel, sigma)
    drawn = transform.draw(8, (28, 24), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    sides = list(transform.kernel_size)
    assert_equal_one_by_one(
        ours, images, lambda image, s: F.gaussian_blur(image, sides, [s, s]), drawn["sigma"]
    )


def test_jitter_equals_torchvisions_in_either_order():
    images = pictures(64)
    transform = ColorJitter(0.8, (0.5, 2))
    drawn = transform.draw(64, (28, 28), generator(0, "test"))
    ours = transform.apply_to(images, drawn)
    for i, image in enumerate(images):
        brightness, contrast = drawn["brightness"][i].item(), drawn["contrast"][i].item()
        if drawn["brightened_first"][i]:
            theirs = F.adjust_contrast(F.adjust_brightness(image, brightness), contrast)
        else:
            theirs = F.adjust_brightness(F.adjust_contrast(image, contrast), brightness)
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-5)
    assert 16 < drawn["brightened_first"].sum() < 48


def test_a_number_is_a_range_about_one_that_ends_at_zero():
    assert ColorJitter(0.25).brightness == (0.75, 1.25)
    assert ColorJitter(3).brightness == (0, 4)
    assert ColorJitter((0.5, 3)).brightness == (0.5, 3)


def test_noise_has_its_mean_and_deviation():
    images = torch.full((64, 1, 28, 28), 0.5)
    transform = GaussianNoise(0.1, 0.05)
    noisy = transform.apply_to(images, transform.draw(64, (28, 28), generator(0, "test")))
    assert float(noisy.mean()) == pytest.approx(0.6, abs=0.001)
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.02)
    beyond = GaussianNoise(0.0, 1.0, clip=False)
    drawn = beyond.draw(64, (28, 28), generator(0, "test"))
    assert beyond.apply_to(images, drawn).max() > 2


@pytest.mark.parametrize(
    "still",
    [
        GaussianNoise(0, 0),
        ColorJitter(),
        RandomGamma((1, 1)),
        GaussianBlur(1),
        RandomAdjustSharpness(1, p=1),
        RandomAutocontrast(p=0),
        RandomInvert(p=0),
    ],
)
def test_empty_ranges_are_the_identity(still):
    images = pictures(4)
    drawn = still.draw(4, (28, 28), generator(0, "test"))
    torch.testing.assert_close(still.apply_to(images, drawn), images, rtol=0, atol=1e-6)


def test_gamma_reaches_both_ends():
    drawn = RandomGamma((0.5, 3), (0.2, 0.4)).draw(5000, (28, 28), generator(0, "test"))
    assert 0.5 <= drawn["gamma"].min() < 0.51
    assert 2.99 < drawn["gamma"].max() <= 3
    assert 0.2 <= drawn["gain"].min() < 0.201
    assert 0.399 < drawn["gain"].max() <= 0.4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: GaussianBlur(4),
            r"kernel_size must be an odd whole number in \[1, 1000\], .*not 4",
        ),
        (lambda: GaussianBlur((3, 5, 7)), "kernel_size must be an odd"),
        (lambda: GaussianBlur(3, 0), r"sigma must be a pair .* \[0.001, 1000\]"),
        (lambda: ColorJitter(-1), r"brightness must be a number in \[0, 999\] or a pair"),
        (lambda: ColorJitter(contrast="x"), "contrast must be .*not 'x'"),
        (lambda: RandomGamma(0.5), "gamma must be a pair"),
        (lambda: RandomGamma((1e-46, 1)), r"gamma must be a pair .* \[0.001, 1000\]"),
        (lambda: GaussianBlur(10**7 + 1), r"kernel_size must be a whole number in \[1, 1000\]"),
        (lambda: GaussianNoise(sigma=10**400), r"sigma must be a number in \[0, 1000\]"),
        (lambda: GaussianNoise(sigma=float("nan")), r"sigma must be .* not nan"),
        (lambda: GaussianNoise(clip="no"), "clip must be true or false"),
        (lambda: RandomAdjustSharpness(None), "sharpness_factor must be a number"),
        (lambda: RandomInvert(p=-0.1), r"RandomInvert: p must be a number in \[0, 1\], not -0.1"),
    ],
)
def test_illegal_arguments_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()
