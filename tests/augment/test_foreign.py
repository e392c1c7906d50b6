"""Transforms of other libraries run by name, repeatably, and say so."""

import pytest
import torch
from torchvision.transforms import v2

from lenet.augment.catalogue import AUGMENTATIONS, CONTAINERS, MIXINGS, build_pipeline
from lenet.augment.foreign import REFUSED, TORCHVISION
from lenet.errors import UsageError
from lenet.rng import generator

ARGUMENTS = {
    "JPEG": {"quality": 50},
    "CenterCrop": {"size": 20},
    "Pad": {"padding": 2},
    "RandomPosterize": {"bits": 3, "p": 1.0},
    "RandomResize": {"min_size": 20, "max_size": 21},
    "RandomShortestSize": {"min_size": 20},
    "RandomSolarize": {"threshold": 128, "p": 1.0},
    "Resize": {"size": 20},
    "ScaleJitter": {"target_size": [28, 28], "scale_range": [1.0, 1.0]},
}


# torchvision 0.29 announces that its JPEG moves to another package.
@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_others_run_image_by_image(name):
    pipeline = build_pipeline([{name: ARGUMENTS.get(name, {})}])
    images = torch.rand(4, 1, 28, 28)
    changed = pipeline(images, None, generator(0, "test"))
    assert changed.shape[:2] == (4, 1)
    assert changed.dtype == torch.float32
    assert torch.equal(changed, pipeline(images, None, generator(0, "test")))
    assert "runs image by image, which is slow" in pipeline.notes[0]


def test_every_transform_of_torchvisions_is_known_or_refused_with_a_reason():
    no_transforms = {"Transform"}  # the class that the others come from
    theirs = {
        name
        for name, value in vars(v2).items()
        if isinstance(value, type) and issubclass(value, v2.Transform)
    }
    ours = {*AUGMENTATIONS, *CONTAINERS, *MIXINGS}
    assert theirs - no_transforms <= ours | set(TORCHVISION) | set(REFUSED)
    assert not set(REFUSED) & (ours | set(TORCHVISION))


def test_images_draw_apart_and_the_global_state_stays():
    pipeline = build_pipeline([{"RandomPhotometricDistort": {"p": 1.0}}])
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    images = torch.full((8, 1, 28, 28), 0.4)
    changed = pipeline(images, None, generator(0, "test"))
    assert torch.equal(torch.rand(1), expected)
    assert len(changed.mean((1, 2, 3)).unique()) > 4


def test_transforms_after_a_resize_see_the_new_size():
    pipeline = build_pipeline([{"Resize": {"size": 20}}, {"RandomErasing": {"value": "random"}}])
    assert pipeline(torch.rand(4, 1, 28, 28), None, generator(0, "t")).shape == (4, 1, 20, 20)


def test_sizes_changed_at_random_are_taken_back():
    pipeline = build_pipeline([{"RandomZoomOut": {"p": 1.0}}])
    shrunk = pipeline(torch.ones(8, 1, 28, 28), None, generator(0, "test"))
    assert shrunk.shape == (8, 1, 28, 28)
    assert len(shrunk.mean((1, 2, 3)).unique()) == 8


def test_a_transform_that_fails_on_the_images_is_named():
    pytest.importorskip("albumentations")
    pipeline = build_pipeline([{"albumentations.RandomCrop": {"height": 99, "width": 99}}])
    with pytest.raises(UsageError, match=r"albumentations\.RandomCrop fails on these images") as e:
        pipeline.output_size((28, 28))
    assert e.value.path == (0, "albumentations.RandomCrop")


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("RandomPosterize", {"bits": 99, "p": 0.001}, "RandomPosterize fails on these images"),
        ("RandomEqualize", {"p": 3}, r"RandomEqualize: p must be a number in \[0, 1\], not 3"),
    ],
)
def test_illegal_arguments_are_refused_whatever_p_is(name, arguments, complaint):
    with pytest.raises(UsageError, match=complaint) as caught:
        build_pipeline([{"RandomInvert": {}}, {name: arguments}]).output_size((28, 28))
    assert caught.value.path[:2] == (1, name)


@pytest.mark.parametrize("nested", [False, True])
def test_what_needs_colours_is_tried_out_on_colours(nested):
    pytest.importorskip("kornia")
    spec = {"kornia.RandomJPEG": {"p": 1.0}}
    specs = [{"RandomOrder": {"transforms": [spec]}}] if nested else [spec]
    assert build_pipeline(specs, channels=3).output_size((32, 32)) == (32, 32)
    with pytest.raises(UsageError, match=r"kornia\.RandomJPEG fails on these images"):
        build_pipeline(specs).output_size((32, 32))


def test_kornias_transforms_run_on_the_batch():
    pytest.importorskip("kornia")
    pipeline = build_pipeline([{"kornia.RandomAffine": {"degrees": 30.0, "p": 1.0}}])
    images = torch.rand(1, 1, 28, 28).expand(8, 1, 28, 28)
    changed = pipeline(images, None, generator(0, "test"))
    assert not torch.equal(changed[0], changed[1])
    assert torch.equal(changed, pipeline(images, None, generator(0, "test")))
    assert pipeline.notes == []


def test_albumentations_transforms_run_image_by_image():
    pytest.importorskip("albumentations")
    pipeline = build_pipeline([{"albumentations.Affine": {"rotate": [-30, 30], "p": 1.0}}])
    images = torch.rand(1, 1, 28, 28).expand(8, 1, 28, 28)
    changed = pipeline(images, None, generator(0, "test"))
    assert changed.shape == images.shape
    assert not torch.equal(changed[0], changed[1])
    assert torch.equal(changed, pipeline(images, None, generator(0, "test")))
    assert pipeline.notes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"Resise": {}}, "unknown transform 'Resise'; did you mean 'Resize'?"),
        ({"Normalize": {}}, "Normalize cannot be used here: images are tensors already"),
        ({"Resize": {}}, "Resize: size is missing"),
        ({"Resize": {"siz": 3}}, "Resize has no argument 'siz'; did you mean 'size'?"),
        ({"RandomSolarize": {"threshold": 1, "p": 7}}, "RandomSolarize: "),
        ({"os.system": {}}, "unknown transform 'os.system'"),
        ({"torchvision.transforms.v2.Resize": {}}, "unknown transform"),
    ],
)
def test_other_names_and_arguments_are_refused(spec, message):
    with pytest.raises(UsageError) as caught:
        build_pipeline([spec])
    assert message in str(caught.value)
    assert caught.value.path[:2] == (0, next(iter(spec)))


def test_a_wrong_name_of_a_library_gets_its_nearest():
    pytest.importorskip("kornia")
    with pytest.raises(UsageError, match=r"did you mean 'kornia\.RandomAffine'"):
        build_pipeline([{"kornia.RandomAfine": {}}])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of a division by zero, theirs
def test_results_that_are_not_finite_are_refused():
    pytest.importorskip("albumentations")
    pipeline = build_pipeline([{"albumentations.ToFloat": {"max_value": 0, "p": 1.0}}])
    with pytest.raises(UsageError, match=r"albumentations\.ToFloat makes .* not finite"):
        pipeline.output_size((28, 28))


def test_results_that_are_ink_already_are_not_scaled_again():
    pytest.importorskip("albumentations")
    pipeline = build_pipeline([{"albumentations.ToFloat": {"max_value": 255, "p": 1.0}}])
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(pipeline(images, None, generator(0, "t")), images, rtol=0, atol=2e-3)


@pytest.mark.parametrize("p", [0.3, 0.9])
def test_trying_a_transform_out_leaves_its_probability_as_it_was(p):
    pipeline = build_pipeline([{"RandomSolarize": {"threshold": 10, "p": p}}])
    assert pipeline.output_size((28, 28)) == (28, 28)
    changed = pipeline(torch.ones(400, 1, 4, 4), None, generator(0, "test"))
    assert p - 0.1 < (changed[:, 0, 0, 0] == 0).float().mean() < p + 0.1


def test_kornias_draws_come_from_the_generator():
    pytest.importorskip("kornia")
    pipeline = build_pipeline([{"kornia.RandomAffine": {"degrees": 30.0, "p": 1.0}}])
    images = torch.rand(4, 1, 28, 28)
    first, second = (pipeline(images, None, generator(seed, "test")) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_sizes_drawn_at_random_are_refused():
    pytest.importorskip("albumentations")
    pipeline = build_pipeline([{"albumentations.RandomScale": {"p": 1.0}}])
    with pytest.raises(UsageError, match="makes images of several sizes") as caught:
        pipeline.output_size((28, 28))
    assert caught.value.path == (0, "albumentations.RandomScale")


def test_an_image_without_pixels_is_refused():
    with pytest.raises(UsageError, match="CenterCrop makes 0×0 pixels of 28×28") as caught:
        build_pipeline([{"CenterCrop": {"size": 0}}]).output_size((28, 28))
    assert caught.value.path == (0, "CenterCrop")


@pytest.mark.parametrize(
    ("spec", "argument"),
    [
        ({"Resize": {"size": 60_000}}, "size"),
        ({"Pad": {"padding": [1, 5000]}}, "padding"),
        ({"RandomShortestSize": {"min_size": 1, "max_size": 1e9}}, "max_size"),
    ],
)
def test_sizes_that_would_take_all_memory_are_refused(spec, argument):
    with pytest.raises(UsageError, match=f"{argument} must be at most 1000") as caught:
        build_pipeline([spec])
    assert caught.value.path == (0, next(iter(spec)), argument)


@pytest.mark.parametrize(
    "name", ["albumentations.Normalize", "kornia.Normalize", "kornia.Denormalize"]
)
def test_what_makes_no_sense_is_refused_of_every_library(name):
    pytest.importorskip(name.partition(".")[0])
    with pytest.raises(UsageError, match=f"{name} cannot be used here: images are tensors already"):
        build_pipeline([{name: {}}])


def test_whatever_a_constructor_raises_is_an_error_of_the_config(monkeypatch):
    def broken(size=1):
        raise IndexError("list index out of range")

    monkeypatch.setitem(TORCHVISION, "Resize", (broken, TORCHVISION["Resize"][1]))
    with pytest.raises(UsageError, match="Resize: list index out of range"):
        build_pipeline([{"Resize": {}}])


def test_arguments_that_stand_for_any_number_are_none_to_be_named(monkeypatch):
    monkeypatch.setitem(
        TORCHVISION, "Resize", (lambda *rest, **others: v2.Identity(), TORCHVISION["Resize"][1])
    )
    assert build_pipeline([{"Resize": {}}]).output_size((28, 28)) == (28, 28)
    with pytest.raises(UsageError, match="Resize has no argument 'others'; it has none"):
        build_pipeline([{"Resize": {"others": 1}}])


@pytest.mark.parametrize(
    "spec",
    [
        {"albumentations.CenterCrop": {"height": 20, "width": 20, "p": 0.5}},
        {"albumentations.Resize": {"height": 20, "width": 20, "p": 0}},
        {"kornia.RandomCrop": {"size": [20, 20], "p": 0.95}},
    ],
)
def test_sizes_of_some_images_only_are_refused(spec):
    (name,) = spec
    pytest.importorskip(name.partition(".")[0])
    with pytest.raises(UsageError, match="makes images of several sizes") as caught:
        build_pipeline([spec]).output_size((28, 28))
    assert caught.value.path == (0, name)


def test_sizes_of_all_images_may_change():
    pytest.importorskip("kornia")
    pipeline = build_pipeline([{"kornia.RandomCrop": {"size": [20, 20], "p": 1.0}}])
    assert pipeline.output_size((28, 28)) == (20, 20)
    assert pipeline(torch.rand(4, 1, 28, 28), None, generator(0, "t")).shape == (4, 1, 20, 20)


def test_lists_are_the_tuples_that_kornia_asks_for():
    pytest.importorskip("kornia")
    pipeline = build_pipeline([{"kornia.CenterCrop": {"size": [20, 24]}}])
    assert pipeline.output_size((28, 28)) == (20, 24)


@pytest.mark.parametrize(
    "spec",
    [
        {"albumentations.Resize": {"height": "1500", "width": 20}},
        {"albumentations.RandomScale": {"scale_limit": [100, 100], "p": 1.0}},
        {"ScaleJitter": {"target_size": [28, 28], "scale_range": [90, 100]}},
    ],
)
def test_other_ways_to_large_images_are_refused(spec):
    (name,) = spec
    pytest.importorskip(name.partition(".")[0].replace("ScaleJitter", "torchvision"))
    with pytest.raises(UsageError, match="must be at most"):
        build_pipeline([spec])


def test_words_for_how_to_pad_are_no_sizes():
    assert build_pipeline([{"Pad": {"padding": 2, "padding_mode": "edge"}}])


@pytest.mark.parametrize("spec", [{"albumentations.CropAndPad": {}}, {"kornia.RandomJPEG": {}}])
def test_complaints_of_other_libraries_take_one_line(spec):
    (name,) = spec
    pytest.importorskip(name.partition(".")[0])
    with pytest.raises(UsageError) as caught:
        build_pipeline([spec]).output_size((28, 28))
    assert "\n" not in str(caught.value)
    assert "errors.pydantic.dev" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("albumentations.RandomBrightnesContrast", "albumentations.RandomBrightnessContrast"),
        ("Albumentations.GaussNois", "albumentations.GaussNoise"),
    ],
)
def test_names_are_compared_without_their_library(name, meant):
    pytest.importorskip("albumentations")
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        build_pipeline([{name: {}}])
