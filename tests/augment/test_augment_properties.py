"""What holds for every augmentation, whatever its arguments and the images' size."""

import functools
import inspect

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from lenet.augment.catalogue import AUGMENTATIONS, MIXINGS, PRESETS, build_mixing, build_pipeline
from lenet.bench.augment import ARGUMENTS
from lenet.errors import UsageError
from lenet.rng import generator


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def pairs(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.tuples(numbers(low, high), numbers(low, high)).map(sorted)


P = numbers(0, 1)
WORDS = ["bilinear", "nearest", "random", "imagenet", "cifar10", "svhn"]
NUMBERS = [-999.5, -50, -0.5, 0, 0.001, 0.5, 1, 1.5, 2, 3, 5, 8, 10, 16, 31, 89, 360, 999.5]
"""What the arguments of transforms are tried with, and pairs of it; the constructors say what is
legal. Whole numbers are small, for some are counts."""
PAIRS = [[low, high] for low in NUMBERS for high in NUMBERS if low <= high]


def refused(name: str, arguments: dict) -> object:
    """Return the argument that a transform's constructor refuses, or None."""
    try:
        build_pipeline([{name: arguments}])
    except UsageError as error:
        return error.path[-1]
    return None


def required(name: str) -> dict:
    """Return the first legal values of the arguments that have no default."""
    found = {
        argument: iter([28, *NUMBERS, *PAIRS, *WORDS])
        for argument, parameter in inspect.signature(AUGMENTATIONS[name]).parameters.items()
        if parameter.default is parameter.empty
    }
    arguments = {argument: next(values) for argument, values in found.items()}
    while (argument := refused(name, arguments)) is not None:
        arguments[argument] = next(found[argument])
    return arguments


def some_values(name: str, argument: str) -> st.SearchStrategy:
    """Return legal values of an argument: floats in intervals, anything else as it stands above."""
    kinds = {
        "numbers": NUMBERS, "pairs": PAIRS, "words": WORDS, "switches": [False, True],
    }  # fmt: skip
    needed = required(name)
    legal = {
        kind: [value for value in values if not refused(name, needed | {argument: value})]
        for kind, values in kinds.items()
    }
    one = [value for value in legal["numbers"] if not isinstance(value, int)]
    both = [ends for ends in legal["pairs"] if not all(isinstance(end, int) for end in ends)]
    found = [st.sampled_from(values) for values in legal.values() if values]
    assert found, f"nothing in NUMBERS and WORDS is legal for {argument} of {name}"
    if one:
        found.append(numbers(min(legal["numbers"]), max(legal["numbers"])))
    if both:
        found.append(pairs(*(edge(end for ends in both for end in ends) for edge in (min, max))))
    return st.one_of(found)


@functools.cache
def some_arguments(name: str) -> st.SearchStrategy[dict]:
    values = {a: some_values(name, a) for a in inspect.signature(AUGMENTATIONS[name]).parameters}
    needed = {argument: values.pop(argument) for argument in required(name)}
    return st.fixed_dictionaries(needed, optional=values)


def test_legal_arguments_are_found_by_asking() -> None:
    assert required("RandomStretch") == {"scale_x": [0.001, 0.001], "scale_y": [0.001, 0.001]}
    assert required("GaussianBlur") == {"kernel_size": 1}
    assert refused("RandomErasing", {"scale": [0.5, 1.5]}) == "scale"


@pytest.mark.parametrize("name", AUGMENTATIONS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_results_are_images_again(name, data):
    arguments = data.draw(some_arguments(name))
    assume(refused(name, arguments) is None)  # each is legal, but some only with others
    height, width, batch = (data.draw(st.integers(1, most)) for most in (64, 64, 5))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    if "size" in arguments:
        arguments["size"] = [height, width]
    images = torch.rand(batch, 1, height, width, generator=generator(0, "pictures"), dtype=dtype)
    changed = build_pipeline([{name: arguments}])(images, None, generator(0, "test"))
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1


DEFAULTS = {
    name: {argument: value for argument, value in arguments.items() if argument != "p"}
    for name, arguments in ARGUMENTS.items()
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
