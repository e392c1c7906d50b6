"""What holds for every augmentation, whatever its arguments and the images' size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from lenet.augment.catalogue import AUGMENTATIONS, MIXINGS, PRESETS, build_mixing, build_pipeline
from lenet.rng import generator


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def pairs(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.tuples(numbers(low, high), numbers(low, high)).map(sorted)


P = numbers(0, 1)
PLACING = {"interpolation": st.sampled_from(["bilinear", "nearest"]), "fill": numbers(0, 1)}
ODD = st.integers(0, 15).map(lambda n: 2 * n + 1)

ARGUMENTS: dict[str, dict[str, st.SearchStrategy]] = {
    "RandomAffine": {
        "degrees": numbers(0, 360) | pairs(-360, 360),
        "translate": st.lists(numbers(0, 1), min_size=2, max_size=2),
        "scale": pairs(0.001, 1000),
        "shear": numbers(0, 89) | pairs(-89, 89),
        "center": st.lists(numbers(-50, 50), min_size=2, max_size=2),
        **PLACING,
    },
    "RandomRotation": {"degrees": numbers(0, 360) | pairs(-360, 360), **PLACING},
    "RandomHorizontalFlip": {},
    "RandomVerticalFlip": {},
    "RandomPerspective": {"distortion_scale": numbers(0, 1), **PLACING},
    "RandomCrop": {"padding": st.integers(0, 9), "fill": numbers(0, 1)},
    "RandomResizedCrop": {"scale": pairs(0.01, 1), "ratio": pairs(0.01, 100)},
    "ElasticTransform": {"alpha": numbers(0, 10_000), "sigma": numbers(0, 40), **PLACING},
    "RandomStretch": {"scale_x": pairs(0.001, 1000), "scale_y": pairs(0.001, 1000)},
    "RandomSqueeze": {"ratio": pairs(0.001, 1000)},
    "RandomRotationOrShear": {"degrees": numbers(0, 89)},
    "GaussianNoise": {"mean": numbers(-1, 1), "sigma": numbers(0, 1000), "clip": st.booleans()},
    "ColorJitter": {"brightness": numbers(0, 999), "contrast": pairs(0, 1000)},
    "RandomGamma": {"gamma": pairs(0.001, 1000), "gain": pairs(0, 1000)},
    "GaussianBlur": {"kernel_size": ODD, "sigma": pairs(0.001, 1000)},
    "RandomAdjustSharpness": {"sharpness_factor": numbers(0, 1000)},
    "RandomAutocontrast": {},
    "RandomInvert": {},
    "CLAHE": {
        "clip_limit": numbers(1, 1000),
        "tile_grid_size": st.lists(st.integers(1, 10), min_size=2, max_size=2),
    },
    "RandomErasing": {
        "scale": pairs(0, 1),
        "ratio": pairs(0.01, 100),
        "value": numbers(0, 1) | st.just("random"),
    },
    "HideAndSeek": {"grid": st.integers(1, 9), "p_hide": P, "value": numbers(0, 1)},
    "Cutout": {"n_holes": st.integers(1, 3), "length": st.integers(1, 40), "value": numbers(0, 1)},
    "AutoAugment": {"policy": st.sampled_from(["imagenet", "cifar10", "svhn"]), **PLACING},
    "RandAugment": {"num_ops": st.integers(0, 3), "magnitude": st.integers(0, 30), **PLACING},
    "TrivialAugmentWide": {"num_magnitude_bins": st.integers(2, 40), **PLACING},
    "AugMix": {"severity": st.integers(1, 10), "all_ops": st.booleans(), **PLACING},
}
REQUIRED = {
    "RandomRotation": ["degrees"],
    "RandomStretch": ["scale_x", "scale_y"],
    "RandomSqueeze": ["ratio"],
    "GaussianBlur": ["kernel_size"],
    "RandomAdjustSharpness": ["sharpness_factor"],
}


def some_arguments(name: str) -> st.SearchStrategy[dict]:
    required = {k: v for k, v in ARGUMENTS[name].items() if k in REQUIRED.get(name, ())}
    optional = {k: v for k, v in ARGUMENTS[name].items() if k not in required} | {"p": P}
    return st.fixed_dictionaries(required, optional=optional)


def test_every_augmentation_is_tried():
    assert set(ARGUMENTS) == set(AUGMENTATIONS)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_results_are_images_again(name, data):
    arguments = data.draw(some_arguments(name))
    height, width, batch = (data.draw(st.integers(1, most)) for most in (64, 64, 5))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    if name in ("RandomCrop", "RandomResizedCrop"):
        arguments["size"] = [height, width]
    images = torch.rand(batch, 1, height, width, generator=generator(0, "pictures"), dtype=dtype)
    changed = build_pipeline([{name: arguments}])(images, None, generator(0, "test"))
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1


DEFAULTS = {
    "RandomAffine": {"degrees": 20},
    "RandomRotation": {"degrees": 20},
    "RandomCrop": {"size": 28, "padding": 4},
    "RandomResizedCrop": {"size": 28},
    "RandomStretch": {"scale_x": [0.8, 1.2], "scale_y": [0.8, 1.2]},
    "RandomSqueeze": {"ratio": [0.8, 1.2]},
    "ColorJitter": {"brightness": 0.5},
    "GaussianBlur": {"kernel_size": 5},
    "RandomAdjustSharpness": {"sharpness_factor": 2},
}
ALL = [*AUGMENTATIONS, *PRESETS]


@pytest.mark.parametrize("name", ALL)
def test_equal_images_of_a_batch_come_out_different(name):
    draw = generator(0, "pictures")
    image = torch.rand(1, 1, 28, 28, generator=draw) * (torch.rand(28, 28, generator=draw) < 0.5)
    pipeline = build_pipeline([{name: DEFAULTS.get(name, {})}])
    changed = pipeline(image.expand(64, 1, 28, 28), None, generator(0, "test"))
    assert len(changed.flatten(1).unique(dim=0)) > 1


@pytest.mark.parametrize("name", ALL)
def test_the_same_state_gives_the_same_bits_and_labels_are_untouched(name):
    images, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    pipeline = build_pipeline([{name: DEFAULTS.get(name, {})}])
    first = pipeline(images, labels, generator(5, "test"))
    assert torch.equal(first, pipeline(images, labels, generator(5, "test")))
    assert torch.equal(labels, torch.arange(16) % 10)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_nothing_happens_at_p_zero(name):
    images = torch.rand(4, 1, 28, 28)
    pipeline = build_pipeline([{name: DEFAULTS.get(name, {}) | {"p": 0}}])
    changed = pipeline(images, None, generator(0, "test"))
    torch.testing.assert_close(changed, images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_work_in_torchvisions_compose(name):
    transform = AUGMENTATIONS[name](**DEFAULTS.get(name, {}))
    chain = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), transform])
    torch.manual_seed(0)
    first = chain(tv_tensors.Image(torch.randint(256, (5, 1, 28, 28), dtype=torch.uint8)))
    assert isinstance(first, tv_tensors.Image)
    assert first.shape == (5, 1, 28, 28)
    single = torch.randint(256, (1, 28, 28), dtype=torch.uint8)
    image, label = transform(single, 3)
    assert image.shape == single.shape
    assert image.dtype == torch.uint8
    assert label == 3
    assert (
        v2.functional.to_pil_image(single).size
        == transform(v2.functional.to_pil_image(single)).size
    )


@pytest.mark.parametrize("name", ALL)
def test_torchvisions_protocol_takes_empty_batches(name):
    specs = [{name: DEFAULTS.get(name, {})}]
    for transform in build_pipeline(specs).transforms:
        assert transform(torch.rand(0, 1, 28, 28)).shape == (0, 1, 28, 28)


def test_torchvisions_protocol_keeps_double_precision():
    images = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(AUGMENTATIONS["RandomAffine"](0)(images), images, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((28, 28), np.uint8), "transforms tensors and PIL images, not ndarray"),
        ({"label": 3}, "transforms tensors and PIL images, not int"),
        ({}, "transforms tensors and PIL images, not nothing"),
        (
            Image.new("1", (28, 28)),
            "images of mode L, LA, RGB, RGBA, not '1'; convert it with convert\\('L'\\)",
        ),
        (Image.new("CMYK", (28, 28)), "not 'CMYK'"),
        (torch.rand(28, 28), r"tensors \(…, C, H, W\) .*, not \(28, 28\) of torch.float32"),
        (torch.zeros(1, 28, 28).long(), r"not \(1, 28, 28\) of torch.int64"),
    ],
)
def test_torchvisions_protocol_refuses_what_is_no_image(given, message):
    with pytest.raises(TypeError, match=message):
        AUGMENTATIONS["RandomAffine"](10)(given)


def test_whole_numbers_of_light_do_not_wrap_around():
    white = torch.full((1, 8, 8), 250, dtype=torch.uint8)
    assert AUGMENTATIONS["GaussianNoise"](sigma=0.1, clip=False)(white).min() > 100


@pytest.mark.parametrize("name", ALL)
def test_images_may_lie_in_memory_in_any_order(name):
    images = torch.rand(4, 1, 28, 28, generator=generator(0, "pictures"))
    pipeline = build_pipeline([{name: DEFAULTS.get(name, {})}])
    turned = pipeline(images.transpose(2, 3), None, generator(0, "test"))
    expected = pipeline(images.transpose(2, 3).contiguous(), None, generator(0, "test"))
    torch.testing.assert_close(turned, expected)


def test_masks_are_refused_in_torchvisions_compose():
    image, mask = torch.rand(1, 28, 28), tv_tensors.Mask(torch.zeros(28, 28, dtype=torch.int64))
    with pytest.raises(TypeError, match="RandomAffine transforms images, not Mask"):
        v2.Compose([AUGMENTATIONS["RandomAffine"](10)])(image, mask)


@pytest.mark.parametrize("name", MIXINGS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_mixed_images_are_images_and_mixed_labels_sum_to_one(name, data):
    height, width, batch = (data.draw(st.integers(1, most)) for most in (64, 64, 5))
    arguments = {"start": data.draw(pairs(0, 1))} if name == "Mosaic" else {}
    if name != "Mosaic":
        arguments = {"alpha": data.draw(numbers(0.001, 1000))}
    images = torch.rand(batch, 1, height, width, generator=generator(0, "pictures"))
    labels = torch.arange(batch) % 10
    mixed, targets = build_mixing([{name: arguments | {"p": data.draw(P)}}], 10)(
        images, labels, generator(0, "test")
    )
    assert mixed.shape == images.shape
    assert mixed.isfinite().all()
    assert mixed.min() >= 0
    assert mixed.max() <= 1
    torch.testing.assert_close(targets.sum(1), torch.ones(batch))
    assert torch.equal(labels, torch.arange(batch) % 10)


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@cuda
@pytest.mark.parametrize("name", ALL)
def test_a_gpu_applies_the_same_draws(name):
    images = torch.rand(16, 1, 28, 28)
    pipeline = build_pipeline([{name: DEFAULTS.get(name, {})}])
    here = pipeline(images, None, generator(0, "test"))
    there = pipeline(images.cuda(), None, generator(0, "test")).cpu()
    assert ((here - there).abs() > 1e-3).float().mean() < 0.01
