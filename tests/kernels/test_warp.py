"""Images looked up by the kernels are those that PyTorch looks up, to rounding."""

import pytest
import torch
from torch import Tensor

from lenet.augment import (
    ElasticTransform,
    GaussianNoise,
    Pipeline,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomRotation,
)
from lenet.augment.sampling import pixel_places
from lenet.kernels.support import missing
from lenet.rng import generator

if missing():
    pytest.skip(f"needs {missing()}", allow_module_level=True)

from lenet.kernels.lanes import LANES
from lenet.kernels.warp import PART, Sampler

CPU = torch.device("cpu")
STRIPES = (torch.arange(LANES) % 2).float().expand(1, 1, 2, LANES)


def moved(x: float, y: float = 0.0, fill: float = 0.0) -> Tensor:
    """Look up stripes of 0 and 1 at places (x, y) pixels away; return the first row."""
    matrix = torch.tensor([[[1, 0, x], [0, 1, y], [0, 0, 1.0]]])
    origin = pixel_places((2, LANES), torch.float32, CPU)[None]
    return Sampler(1).look_up(STRIPES, (2, LANES), origin, matrix, fill=fill)[0, 0, 0]


def test_a_pixel_to_the_right_is_looked_up_and_the_rest_is_filled():
    assert moved(1, fill=0.25).tolist() == [1, 0] * (LANES // 2 - 1) + [1, 0.25]


def test_places_between_pixels_are_interpolated():
    # 0.75 · 0 + 0.25 · 1, then 0.75 · 1 + 0.25 · 0; the last one is a quarter outside.
    assert moved(0.25).tolist() == [0.25, 0.75] * (LANES // 2 - 1) + [0.25, 0.75]
    assert moved(0, -0.5, fill=0.5).tolist() == [0.25, 0.75] * (LANES // 2)


@pytest.mark.parametrize("far", [1e30, -1e30, torch.inf, torch.nan])
def test_places_that_are_nowhere_are_filled(far: float):
    assert moved(far, fill=0.5).tolist() == [0.5] * LANES


AFFINE = RandomAffine(30, (0.2, 0.2), (0.6, 1.4), 20)
CHAINS = {
    "affine": [AFFINE],
    "affine, then elastic": [AFFINE, ElasticTransform(34, 4)],
    "elastic, then affine twice": [ElasticTransform(34, 4), AFFINE, RandomRotation(10)],
    "elastic twice": [ElasticTransform(34, 4), ElasticTransform(20, (5, 4))],
    "elastic of uniform noise": [ElasticTransform(10, 2)],
    "perspective": [RandomPerspective(0.7, p=1)],
    "perspective, affine, elastic": [RandomPerspective(p=1), AFFINE, ElasticTransform(34, 4)],
    "elastic, perspective": [ElasticTransform(34, 4), RandomPerspective(p=1)],
    "half of the images": [RandomHorizontalFlip(), RandomAffine(30, p=0.5)],
    "cropped": [AFFINE, RandomCrop(20, padding=2)],
    "filled": [RandomAffine(30, fill=0.3), ElasticTransform(34, 4, fill=0.3)],
    "two interpolations": [RandomAffine(30, fill=0.3), ElasticTransform(34, 4, fill=0.6)],
    "nearest": [RandomRotation(30, "nearest")],
    "noise between": [AFFINE, GaussianNoise(), ElasticTransform(34, 4)],
}


@pytest.mark.parametrize("shape", [(33, 1, 28, 28), (3, 3, 21, 33)], ids=["grey", "colours"])
@pytest.mark.parametrize("chain", CHAINS)
def test_results_are_those_of_pytorch(chain: str, shape: tuple[int, ...]):
    images = torch.rand(shape, generator=generator(0, "images"))
    pipeline = Pipeline(CHAINS[chain])
    expected = pipeline(images, None, generator(0, "draw"))
    found = pipeline(images, None, generator(0, "draw"), sampler=Sampler(1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_threads_share_large_batches():
    images, pipeline = torch.rand(3 * PART + 1, 1, 9, LANES), Pipeline(CHAINS["affine"])
    alone, shared = (
        pipeline(images, None, generator(0, "draw"), sampler=Sampler(n)) for n in (1, 3)
    )
    assert torch.equal(alone, shared)


def test_a_part_of_a_batch_is_the_same_part_of_the_whole():
    images, pipeline = torch.rand(40, 1, 28, 28), Pipeline(CHAINS["affine, then elastic"])
    whole, part = (
        pipeline(images, None, generator(0, "draw"), which, Sampler(2))
        for which in (slice(None), slice(5, 30))
    )
    assert torch.equal(whole[5:30], part)


def test_what_the_kernels_do_not_cover_is_left_to_pytorch():
    sampler = Sampler(1)
    assert sampler.covers(torch.zeros(1, 1, 2, 2), (1, LANES))
    assert not sampler.covers(torch.zeros(1, 1, 2, 2), (9, LANES - 1))
    assert not sampler.covers(torch.zeros(1, 1, 9, 9, dtype=torch.float64), (9, LANES))
    doubles = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    narrow = torch.rand(4, 1, 28, LANES - 1)
    for images in (doubles, narrow, narrow[:0]):
        left, right = (
            Pipeline([AFFINE])(images, None, generator(0, "draw"), sampler=s)
            for s in (None, sampler)
        )
        assert torch.equal(left, right)
