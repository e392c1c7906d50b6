"""What a config describes is built once, and what cannot be built is refused with its place."""

import functools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lenet.augment import catalogue
from lenet.config.load import load_config
from lenet.data.datasets import Dataset, Split
from lenet.data.splits import Splits, add_distorted_copies
from lenet.errors import UsageError
from lenet.models import MODELS
from lenet.training.build import (
    Components,
    build,
    check_last_batch,
    check_memory,
    is_faster_together,
)
from lenet.training.experiment import run_experiment

OF_1998 = ["loss={kind: squared-targets}", "optimizer={kind: sdlm}", "schedule={kind: constant}"]
SMALL = ["data.name=mnist-sample", "data.train_size=100", "data.validation=10", "train.epochs=1"]


def counted(kind: type, made: Counter[str]) -> type:
    """Return a class that counts how often it is made, under the name of the original."""

    @functools.wraps(kind.__init__)  # so that its arguments can be looked up
    def init(self: Any, *args: Any, **options: Any) -> None:
        if torch.get_default_device().type != "meta":  # there, shapes alone
            made[kind.__name__] += 1
        kind.__init__(self, *args, **options)

    return type(kind.__name__, (kind,), {"__init__": init})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the networks and transforms that the tables' classes make."""
    made: Counter[str] = Counter()
    for table, name in (
        (MODELS, "lenet5-modern"),
        (MODELS, "linear"),
        (catalogue.AUGMENTATIONS, "RandomAffine"),
        (catalogue.AUGMENTATIONS, "RandomErasing"),
        (catalogue.MIXINGS, "MixUp"),
    ):
        monkeypatch.setitem(table, name, counted(table[name], made))
    return made


@pytest.mark.parametrize("seeds", [1, 5])
def test_each_thing_of_a_config_is_built_once(
    elsewhere: Path, made: Counter[str], seeds: int
) -> None:
    teacher = load_config("quickstart", [*SMALL, "model={kind: linear}", "augment=[]"]).config
    run_experiment(teacher, "teacher")
    made.clear()
    config = load_config(
        "quickstart",
        [
            *SMALL,
            "augment=[{RandomAffine: {degrees: 10}}]",
            "mix=[{MixUp: {}}]",
            "data.distort=[{RandomErasing: {}}]",
            "data.distorted_copies=1",
            "distil.teacher=runs/teacher/0",
        ],
    ).config
    run_experiment(config, "pupil", seeds=seeds)
    assert made == {
        "LeNet5Modern": seeds, "Linear": 1, "RandomAffine": 1, "MixUp": 1, "RandomErasing": 1
    }  # fmt: skip


def test_timing_seeds_at_once_leaves_their_networks_as_they_are(sample: Dataset) -> None:
    components = build(load_config("quickstart", SMALL).config, [0, 1])
    before = [
        weight.clone() for c in components.classifiers.values() for weight in c.model.parameters()
    ]
    is_faster_together(components, [0, 1], sample.train)
    after = [weight for c in components.classifiers.values() for weight in c.model.parameters()]
    assert all(map(torch.equal, before, after))


def test_checking_the_last_batch_leaves_the_statistics_of_batch_norm_as_they_are() -> None:
    settings = ["model={kind: lenet5-modern, batch_norm: true}", "train.batch_size=64"]
    components = build(load_config("quickstart", settings).config, [0])
    model = components.classifiers[0].model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UsageError, match="the last batch of an epoch has one image") as refused:
        check_last_batch(components, 65)
    assert refused.value.path == ("train", "batch_size")
    check_last_batch(components, 66)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_batches_that_do_not_fit_into_the_memory_are_refused_with_how_many_images_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 1,024 pixels, flattened, and 10 logits of each image; 4 bytes each, and their gradients.
    monkeypatch.setattr("lenet.training.build.total_memory", lambda device: 2 * 4 * 1034 * 128)
    settings = ["model={kind: linear}", "augment=[]", "data.name=mnist"]
    images = Split(torch.zeros(1000, 1, 28, 28, dtype=torch.uint8), torch.zeros(1000).long())
    splits = Splits("mnist", images, images, images)

    def components(training: int, evaluation: int) -> Components:
        sizes = [f"train.batch_size={training}", f"evaluate.batch_size={evaluation}"]
        return build(load_config("quickstart", [*settings, *sizes]).config, [0])

    check_memory(components(128, 256), splits)
    for sizes, section, most in (((129, 256), "train", 128), ((128, 257), "evaluate", 256)):
        with pytest.raises(UsageError, match=f"at most {most} images fit") as refused:
            check_memory(components(*sizes), splits)
        assert refused.value.path == (section, "batch_size")


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        (["augment=[{RandomAffine: {degrees: -1}}]"], ("augment", 0, "RandomAffine", "degrees")),
        (["mix=[{MixUp: {alpha: 0}}]"], ("mix", 0, "MixUp", "alpha")),
        (
            ["data.distort=[{Blur: {}}]", "data.distorted_copies=1"],
            ("data", "distort", 0, "Blur"),
        ),
        (["distil.teacher=runs/nobody"], ("distil", "teacher")),
        (
            ["data.boosting.earlier=[runs/nobody]", "train.images_per_epoch=10"],
            ("data", "boosting", "earlier"),
        ),
    ],
)
def test_an_error_says_which_key_is_to_blame(
    elsewhere: Path, settings: list[str], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(UsageError) as refused:
        build(load_config("quickstart", settings).config, [0])
    assert refused.value.path == path


@pytest.mark.parametrize("size", [20, 32])
def test_distorted_copies_are_as_large_as_the_images(size: int) -> None:
    settings = [f"data.distort=[{{Resize: {{size: {size}}}}}]", "data.distorted_copies=1"]
    config = load_config("quickstart", settings).config
    with pytest.raises(UsageError, match=f"must be of 28×28 pixels, not {size}×{size}") as caught:
        build(config, [0])
    assert caught.value.path == ("data", "distort")


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["train.batch_size=1", "model.batch_norm=true"], "train.batch_size: .* too few for batch"),
        (["input.scale=0.01"], "input.scale: .* of which this scale leaves none"),
        (["model={kind: compact}", *OF_1998], "the sdlm rule cannot train layer .* without biases"),
        (["model={kind: layers, layers: [{conv: {filters: 2, size: 5, padding: same}}, flatten,"
          " {linear: {units: 10}}]}", *OF_1998], "a convolution with padding"),
        (["model={kind: lenet4}", "kernels=fast"], "fast kernels do not know the network lenet4"),
        (["model={kind: layers, layers: [{conv: {filters: 9, size: 3, padding: 10000}}, flatten,"
          " {linear: {units: 10}}]}"], "more than the 10,000,000 values allowed"),
        (["model={kind: layers, layers: [{conv: {filters: 1, size: 4000, padding: full,"
          " stride: 4000}}, flatten, {linear: {units: 10}}]}"],
         "padding makes 1 channel of 8030×8030, more than"),
        (["input.mean=[0.1, 0.2]", "input.std=[0.1]"], "mean: 2 numbers for images of 1 chan"),
        (["optimizer.lr=1e300"], "optimizer.lr: input should be less than"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_when_it_is_built(
    overrides: list[str], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        source = load_config("quickstart", overrides)
        with source.explaining():
            build(source.config, [0])


def test_more_copies_than_memory_are_refused_with_their_size(sample: Dataset) -> None:
    source = load_config(
        "quickstart",
        ["data.name=mnist-sample", "data.distorted_copies=100", "data.distort=[{Identity: {}}]"],
    )
    large = replace(sample.train, images=sample.train.images[:1].expand(100_000, -1, -1, -1))
    with pytest.raises(UsageError, match=r"100 copies of 4,000 images take 7\.9 GB"):
        add_distorted_copies(large, 100, build(source.config, [0]).distort, 0)


def test_seeds_end_where_64_bits_do(tmp_path: Path) -> None:
    config = load_config("quickstart", seed=2**63 - 1).config
    with pytest.raises(UsageError, match="9223372036854775808 is no seed"):
        run_experiment(config, "run", seeds=2, root=tmp_path)
