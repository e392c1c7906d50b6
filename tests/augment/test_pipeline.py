"""Pipelines are built from configs and draw per image, repeatably."""

import pytest
import torch

from lenet.augment.catalogue import AUGMENTATIONS, build_mixing, build_pipeline
from lenet.augment.cropping import RandomCrop
from lenet.augment.geometry import RandomAffine
from lenet.augment.pipeline import Pipeline
from lenet.errors import UsageError
from lenet.rng import generator

SPECS = [
    {"RandomAffine": {"degrees": 10, "translate": [0.07, 0.07], "scale": [0.9, 1.1], "shear": 5}},
    {"ElasticTransform": {"alpha": 34, "sigma": 4}},
    {"RandomErasing": {"p": 0.25}},
]


REQUIRED = {
    "RandomRotation": {"degrees": 10},
    "RandomResizedCrop": {"size": 28},
    "RandomAdjustSharpness": {"sharpness_factor": 2},
    "GaussianBlur": {"kernel_size": 3},
    "RandomStretch": {"scale_x": [0.9, 1.1], "scale_y": [0.9, 1.1]},
    "RandomSqueeze": {"ratio": [0.9, 1.1]},
}
"""Arguments without a default."""


def test_the_same_generator_gives_the_same_bits():
    pipeline = build_pipeline(SPECS)
    images, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    first = pipeline(images, labels, generator(3, "augment", 1, 2))
    assert torch.equal(first, pipeline(images, labels, generator(3, "augment", 1, 2)))
    assert not torch.equal(first, pipeline(images, labels, generator(3, "augment", 1, 3)))


def test_several_generators_transform_several_batches_as_each_alone():
    pipeline, images = build_pipeline(SPECS), torch.rand(11, 1, 28, 28)
    labels = torch.arange(11)
    draws = [(generator(0, "test", n), count) for n, count in enumerate((4, 4, 3))]
    alone = [
        pipeline(images[4 * n : 4 * n + 4], labels[4 * n : 4 * n + 4], generator(0, "test", n))
        for n in range(3)
    ]
    assert torch.equal(pipeline(images, labels, draws), torch.cat(alone))


def test_consecutive_geometry_is_interpolated_once():
    images = torch.rand(4, 1, 28, 28)
    there = RandomAffine(degrees=(45, 45))
    back = RandomAffine(degrees=(-45, -45))
    turned = Pipeline([there, back])(images, None, generator(0, "test"))
    torch.testing.assert_close(turned, images, rtol=0, atol=1e-4)


@pytest.mark.parametrize("between", ["RandomHorizontalFlip", "RandomCrop", "RandomResizedCrop"])
@pytest.mark.parametrize("placing", [{"fill": 1.0}, {"interpolation": "nearest"}])
def test_transforms_without_a_fill_of_their_own_join_their_neighbours(between, placing):
    arguments = {
        "RandomHorizontalFlip": {"p": 0},
        "RandomCrop": {"size": 28, "fill": placing.get("fill", 0.0)},
        "RandomResizedCrop": {"size": 28, "p": 0, **dict(interpolation="bilinear"), **placing},
    }
    if "fill" in placing:
        arguments["RandomResizedCrop"].pop("fill")
    images = torch.rand(4, 1, 28, 28)
    there = RandomAffine(scale=(0.5, 0.5), **placing)
    back = RandomAffine(scale=(2, 2), **placing)
    (middle,) = build_pipeline([{between: arguments[between]}]).transforms
    turned = Pipeline([there, middle, back])(images, None, generator(0, "test"))
    torch.testing.assert_close(turned, images, rtol=0, atol=1e-4)


def test_geometry_of_different_fills_is_interpolated_apart():
    turns = [RandomAffine(translate=None, scale=(0.5, 0.5), fill=fill) for fill in (0.25, 0.75)]
    shrunk = Pipeline(turns)(torch.zeros(1, 1, 8, 8), None, generator(0, "test"))
    assert shrunk[0, 0, 0, 0] == 0.75
    assert shrunk[0, 0, 2, 2] == 0.25
    assert shrunk[0, 0, 3, 3] == 0


def test_a_resized_crop_keeps_a_light_rim_light():
    pipeline = build_pipeline([{"RandomResizedCrop": {"size": 28, "fill": 1.0}}])
    assert pipeline(torch.ones(8, 1, 28, 28), None, generator(0, "test")).min() > 0.999


def test_mixing_has_the_classes_of_the_digits():
    with pytest.raises(UsageError, match="num_classes must be 10") as caught:
        build_mixing([{"MixUp": {"num_classes": 12}}], 10)
    assert caught.value.path == (0, "MixUp", "num_classes")


def test_images_given_are_left_alone():
    images = torch.rand(4, 1, 28, 28)
    before = images.clone()
    build_pipeline(SPECS)(images, None, generator(0, "test"))
    build_mixing([{"MixUp": {}}], 10)(images, torch.arange(4), generator(0, "test"))
    assert torch.equal(images, before)


def test_mixings_apply_one_after_another():
    mixing = build_mixing([{"MixUp": {"alpha": 1.0}}, {"CutMix": {}}], 10)
    images, targets = mixing(torch.rand(64, 1, 28, 28), torch.arange(64) % 10, generator(0, "test"))
    assert images.shape == (64, 1, 28, 28)
    torch.testing.assert_close(targets.sum(1), torch.ones(64))
    assert ((targets > 0).sum(1) > 2).any()


@pytest.mark.parametrize(
    ("specs", "message", "path"),
    [
        ([{"RandomAfine": {}}], "unknown transform 'RandomAfine'; did you mean 'RandomAffine'?",
         (0, "RandomAfine")),
        ([{"Xyz": {}}], "unknown transform 'Xyz'; there are CLAHE, ", (0, "Xyz")),
        ([SPECS[0], {"RandomErasing": {"pp": 1}}],
         "RandomErasing has no argument 'pp'; did you mean 'p'?", (1, "RandomErasing", "pp")),
        ([{"RandomErasing": {"p": 2}}], "RandomErasing: p must be a number in [0, 1], not 2",
         (0, "RandomErasing", "p")),
        ([{"RandomRotation": {}}], "RandomRotation: degrees is missing", (0, "RandomRotation")),
        ([{}], "expected one transform, such as `RandomErasing: {p: 0.25}`", (0,)),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_and_where(specs, message, path):
    with pytest.raises(UsageError) as caught:
        build_pipeline(specs)
    assert message in str(caught.value)
    assert caught.value.path == path


def test_a_mixing_is_no_augmentation():
    with pytest.raises(UsageError, match="MixUp mixes images and labels: it belongs under mix:"):
        build_pipeline([{"MixUp": {}}])


@pytest.mark.parametrize("name", ["RandomAffine", "RandomApply", "Paper1998", "Resize"])
def test_an_augmentation_is_no_mixing(name):
    with pytest.raises(UsageError, match=f"{name} changes images one by one: .* under augment:"):
        build_mixing([{name: {}}], 10)


def test_images_that_are_not_floats_are_refused():
    with pytest.raises(TypeError, match=r"pixels in \[0, 1\], not torch.uint8"):
        build_pipeline(SPECS)(torch.ones(2, 1, 28, 28).byte(), None, generator(0, "test"))


def test_images_of_double_precision_keep_it():
    images = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    still = Pipeline([RandomAffine(0), RandomCrop(28)])(images, None, generator(0, "test"))
    assert still.dtype == torch.float64
    torch.testing.assert_close(still, images, rtol=0, atol=1e-12)


def test_geometry_of_different_interpolations_is_interpolated_apart():
    turns = [RandomAffine((45, 45), interpolation=kind) for kind in ("nearest", "bilinear")]
    steps = [(t, t.draw(4, (28, 28), generator(0, "test"))) for t in turns]
    images = torch.rand(4, 1, 28, 28)
    one_by_one = turns[1].apply_to(turns[0].apply_to(images, steps[0][1]), steps[1][1])
    together = Pipeline(turns).apply_to(images, [drawn for _, drawn in steps])
    torch.testing.assert_close(together, one_by_one)


def test_a_turn_brings_back_what_a_crop_before_it_cut_off():
    chain = [RandomCrop(20, p=0), RandomAffine((45, 45))]
    turned = Pipeline(chain)(torch.ones(1, 1, 28, 28), None, generator(0, "test"))
    assert turned.min() > 0.99  # the corners, which torchvision's chain fills


def test_a_name_alone_means_its_defaults():
    (transform,) = build_pipeline([{"RandomHorizontalFlip": None}]).transforms
    assert transform.p == 0.5


def test_sizes_are_followed_through_the_chain():
    pipeline = build_pipeline([{"RandomCrop": {"size": 24}}, {"RandomResizedCrop": {"size": 20}}])
    assert pipeline.output_size((28, 28)) == (20, 20)
    with pytest.raises(UsageError, match="larger than the padded image of 12×12"):
        pipeline.output_size((12, 12))


@pytest.mark.parametrize(
    "after",
    [
        {"RandomGamma": {}},
        {"CLAHE": {}},
        {"RandAugment": {"num_ops": 8}},
        {"RandomEqualize": {"p": 1.0}},
    ],
)
def test_noise_that_is_not_cut_off_harms_nothing_that_follows(after):
    pipeline = build_pipeline([{"GaussianNoise": {"sigma": 2.0, "clip": False}}, after])
    changed = pipeline(torch.rand(32, 1, 28, 28), None, generator(0, "test"))
    assert changed.isfinite().all()
    assert changed.min() >= 0 and changed.max() <= 1


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "RandomCrop"])
def test_no_images_are_left_of_none(name):
    pipeline = build_pipeline([{name: REQUIRED.get(name, {})}])
    left = pipeline(torch.rand(3, 1, 28, 28), torch.zeros(3).long(), generator(0, "t"), slice(3, 3))
    assert left.shape == (0, 1, 28, 28)


def test_a_window_that_is_too_large_is_found_in_its_place():
    pipeline = build_pipeline([{"Ciresan2010": {}}, {"RandomCrop": {"size": 40}}])
    with pytest.raises(UsageError, match="larger than the padded image") as caught:
        pipeline.output_size((28, 28))
    assert caught.value.path == (1, "RandomCrop", "size")
