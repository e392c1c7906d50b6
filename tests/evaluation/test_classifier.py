"""Classifiers are built for their dataset's classes and images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lenet.config.load import load_config
from lenet.data.sources import SOURCES
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier
from lenet.kernels.support import missing

KINDS = {
    "lenet1": "input.size=28",
    "lenet4": "input.size=32",
    "lush": "input.size=32",
    "lenet5-modern": "input.size=32",
    "compact": "input.size=28",
    "linear": "input.size=28",
}


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset of 26 classes in colour, under the name of another."""
    described = replace(SOURCES["kmnist"], classes=tuple("abcdefghijklmnopqrstuvwxyz"), channels=3)
    monkeypatch.setitem(SOURCES, "kmnist", described)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_channels_are_the_datasets(letters: None, kind: str) -> None:
    changes = ["data.name=kmnist", f"model={{kind: {kind}}}", KINDS[kind]]
    classifier = build_classifier(load_config("quickstart", changes).config)
    images = torch.zeros(2, *classifier.data.shape, dtype=torch.uint8)
    assert classifier(images).shape == (2, 26)
    result = classifier.count(classifier.infer(images), torch.tensor([25, 0]))
    assert result.confusion.shape == (26, 26)
    assert result.classes[25] == "z"


def test_the_1998_network_says_that_it_has_ten_bitmaps(letters: None) -> None:
    config = load_config("paper/lenet5", ["data.name=kmnist"]).config
    with pytest.raises(UsageError, match="bitmaps of 10 digits, but there are 26 classes") as error:
        build_classifier(config)
    assert error.value.path == ("model",)


@pytest.mark.skipif(missing() is not None, reason=f"needs {missing()}")
def test_the_kernels_infer_colours_at_the_levels_of_their_channels(letters: None) -> None:
    levels = ["input.mean=[0.5, 0.4, 0.3]", "input.std=[0.2, 0.3, 0.1]"]
    changes = ["data.name=kmnist", *levels, "model={kind: compact}", "input.size=28"]
    classifier = build_classifier(load_config("quickstart", changes).config)
    classifier.model.eval()
    frozen = classifier.freeze()
    assert frozen.network is not None
    images = torch.randint(256, (20, 3, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(frozen(images), classifier(images))


@pytest.mark.parametrize("precision", [np.float64, np.float16, np.float32])
def test_images_may_be_floats_of_any_precision(precision: type) -> None:
    classifier = build_classifier(load_config("modern/plain").config)
    classifier.model.eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    floats = (pixels / 255).astype(precision)
    torch.testing.assert_close(classifier(floats), classifier(pixels), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("input.size=20", "mnist has images of 28×28 pixels, which do not fit into 20×20"),
        ("input.width=30", "mnist has images of 28×28 pixels, too narrow for digits of 30"),
    ],
)
def test_an_input_smaller_than_the_images_is_refused(change: str, message: str) -> None:
    config = load_config("quickstart", ["model={kind: mlp}", change]).config
    with pytest.raises(UsageError, match=message) as error:
        build_classifier(config)
    assert error.value.path == tuple(change.partition("=")[0].split("."))
