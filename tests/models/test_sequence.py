"""Networks from lists of layers: the same as those written in code, or a clear complaint."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lenet.errors import UsageError
from lenet.models import LeNet5, LeNet5Modern
from lenet.models.activations import ACTIVATIONS
from lenet.models.lenet5 import C3_TABLE
from lenet.models.sequence import LayerSequence
from lenet.models.vocabulary import LAYERS
from lenet.training import build as building

LENET5 = [
    {"conv": {"name": "c1", "filters": 6, "size": 5}},
    "scaled-tanh",
    {"subsampling": {"name": "s2"}},
    "scaled-tanh",
    {"conv": {"name": "c3", "filters": 16, "size": 5, "table": [list(row) for row in C3_TABLE]}},
    "scaled-tanh",
    {"subsampling": {"name": "s4"}},
    "scaled-tanh",
    {"conv": {"name": "c5", "filters": 120, "size": 5}},
    "scaled-tanh",
    "flatten",
    {"linear": {"name": "f6", "units": 84}},
    "scaled-tanh",
    "rbf",
]
HEAD = ["flatten", {"linear": {"units": 10}}]


def build(*layers: Any, size: int = 28) -> LayerSequence:
    return LayerSequence([*layers], size=size)


def test_lenet5_written_as_layers_is_the_built_in_one() -> None:
    torch.manual_seed(1)
    built_in = LeNet5(init="inverse-sqrt-fan-in")
    torch.manual_seed(1)
    written = LayerSequence(LENET5, init="inverse-sqrt-fan-in", size=32)
    assert sum(parameter.numel() for parameter in written.parameters()) == 60_000
    assert written.outputs == "penalties"
    images = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(written(images), built_in(images), rtol=0, atol=0)


def test_modern_lenet5_written_as_layers_has_the_same_weights() -> None:
    layers: list[Any] = []
    for filters in (6, 16):
        layers += [{"conv": {"filters": filters, "size": 5}}, "relu", "max"]
    layers += [{"conv": {"filters": 120, "size": 5}}, "relu", "flatten"]
    layers += [{"linear": {"units": 84}}, "relu", {"dropout": {"p": 0.0}}]
    torch.manual_seed(1)
    written = LayerSequence([*layers, {"linear": {"units": 10}}], size=32)
    torch.manual_seed(1)
    built_in = LeNet5Modern()
    images = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(written(images), built_in(images), rtol=0, atol=0)
    assert written.outputs == "logits"


@given(
    size=st.integers(1, 6),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "full", 0, 1, 2]),
    border=st.sampled_from(["zeros", "reflect", "replicate", "circular", {"constant": -0.1}]),
)
@settings(max_examples=60, deadline=None)
def test_the_sizes_told_are_the_sizes_made(
    size: int, stride: int, padding: Any, border: Any
) -> None:
    options = {"filters": 2, "size": size, "stride": stride, "padding": padding}
    network = build({"conv": options | {"border": border}}, *HEAD, size=14)
    assert network(torch.zeros(1, 1, 14, 14)).shape == (1, 10)


@pytest.mark.parametrize("border", ["reflect", "replicate", "circular", {"constant": 7.0}])
def test_borders_go_on_as_their_name_says(border: Any) -> None:
    # One weight of 1 at the left end of a 3×3 filter shows what lies left of each pixel.
    options = {"filters": 1, "size": 3, "padding": "same", "border": border, "bias": False}
    *padding, conv, _, _ = build({"conv": options}, *HEAD, size=4)
    nn.init.zeros_(conv.weight)
    conv.weight.data[0, 0, 1, 0] = 1.0
    row = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 1, 4, 4)
    left = {"reflect": 2.0, "replicate": 1.0, "circular": 4.0}.get(str(border), 7.0)
    assert nn.Sequential(*padding, conv)(row)[0, 0, 0].tolist() == [left, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("word", sorted(set(LAYERS) - {"rbf"}))
def test_every_layer_can_be_used(word: str) -> None:
    options = {
        name: 3 for name in ("filters", "size", "units") if name in LAYERS[word].model_fields
    }
    before = ["flatten"] if word == "linear" else []
    after = [] if word in ("linear", "flatten", "global-average") else ["flatten"]
    network = build(*before, {word: options}, *after, {"linear": {"units": 10}}, size=8)
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert network.outputs == "logits"


def test_max_pooling_of_the_lectures_four_by_four() -> None:
    picture = torch.tensor([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    pool = build("max", *HEAD, size=4)[0]
    assert pool(picture[None, None])[0, 0].tolist() == [[6, 8], [3, 4]]


def test_global_average_pooling_makes_the_last_maps_the_classes() -> None:
    network = build({"conv": {"filters": 10, "size": 3, "name": "maps"}}, "global-average", size=8)
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(network(images), network.maps(images).mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("layers", "path", "message"),
    [
        (["cnov"], ("layers", 0), "there is no layer 'cnov'; did you mean 'conv'?"),
        (
            [{"conv": {"filters": 6, "sise": 5}}],
            ("layers", 0, "conv", "sise"),
            "conv has no option 'sise'; did you mean 'size'?",
        ),
        ([{"conv": {"size": 5}}], ("layers", 0, "conv"), "conv needs 'filters'"),
        (
            [{"conv": {"filters": 6, "size": 0}}],
            ("layers", 0, "conv", "size"),
            "greater than or equal to 1, not 0",
        ),
        (
            [{"conv": {"filters": 6, "size": 5, "padding": "some"}}],
            ("layers", 0, "conv", "padding"),
            "'valid', 'same' or 'full'.* or .*integer, not 'some'",
        ),
        (
            ["relu", {"conv": {"filters": 6, "size": 9}}],
            ("layers", 1, "conv", "size"),
            r"\(8 \+ 2·0 - 9\)/1 \+ 1 = 0 is less than 1 \(it gets 1 channel of 8×8\)",
        ),
        (
            [{"conv": {"filters": 6, "size": 17, "padding": "full", "border": "reflect"}}],
            ("layers", 0, "conv", "border"),
            "reflect can add at most 7 pixels to 8×8, not 16",
        ),
        (
            [{"conv": {"filters": 6, "size": 3, "groups": 2}}],
            ("layers", 0, "conv", "groups"),
            "1 channel cannot be divided into 2 groups",
        ),
        (
            [{"conv": {"filters": 2, "size": 3, "table": [[0], [1]]}}],
            ("layers", 0, "conv", "table", 1),
            "row 1 must name one or more different channels from 0 to 0",
        ),
        (
            [{"conv": {"filters": 2, "size": 3, "table": [[0]]}}],
            ("layers", 0, "conv", "table"),
            "the table has 1 rows for 2 filters",
        ),
        (
            [{"max": {"size": 2, "padding": 2}}],
            ("layers", 0, "max", "padding"),
            "2 pixels are more than half of 2",
        ),
        ([{"linear": {"units": 10}}], ("layers", 0, "linear"), "put flatten or global-average"),
        (["flatten", "max"], ("layers", 1), r"max needs channels \(it gets 64 units\)"),
        (["flatten", "rbf"], ("layers", 1), "rbf compares 84 units"),
        (["flatten"], ("layers", 0), "puts out 64 units, but there are 10 classes"),
        ([7], ("layers", 0), "a layer is a word"),
        ([{"conv": None}], ("layers", 0), "a layer is a word"),
        ([{"relu": {"name": "forward"}}], ("layers", 0, "relu"), "the name 'forward' is taken"),
        ([{"relu": {"name": "a"}}, {"relu": {"name": "a"}}], ("layers", 1, "relu"), "'a' is taken"),
    ],
)
def test_what_does_not_fit_is_explained(
    layers: list[Any], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(*layers, size=8)
    assert caught.value.path == path


@pytest.mark.parametrize("head", [
    ["flatten", {"linear": {"units": "classes"}}],
    [{"conv": {"filters": "classes", "size": 8}}, "global-average"],
])  # fmt: skip
def test_outputs_may_follow_the_classes(head: list[Any]) -> None:
    assert LayerSequence(head, size=8, classes=3)(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    with pytest.raises(UsageError, match="the word classes stands for"):
        LayerSequence(["flatten", {"linear": {"units": 10}}], size=8, classes=3)


def test_a_fault_is_reported_with_its_line(tmp_path: Any) -> None:
    from lenet.config.load import load_config

    file = tmp_path / "net.yaml"
    file.write_text(
        "model:\n  kind: layers\n  layers:\n    - conv: {filters: 6, size: 40}\n    - flatten\n"
        "    - linear: {units: 10}\nloss: {kind: cross-entropy}\noptimizer: {kind: sgd}\n"
    )
    source = load_config(file)
    with (
        pytest.raises(UsageError, match=r"net.yaml:4:26: model.layers.0.conv.size: a filter of 40"),
        source.explaining(),
    ):
        building.build(source.config, [0])


def test_activations_are_words() -> None:
    assert set(ACTIVATIONS) <= set(LAYERS)
