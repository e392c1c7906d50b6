"""Counts of the 1998 paper, and receptive fields as they really are."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lenet.config.load import load_config
from lenet.evaluation.classifier import build_classifier
from lenet.models import MODELS, build_model
from lenet.models.compact import Compact
from lenet.models.lenet5 import LeNet5
from lenet.models.sequence import LayerSequence
from lenet.models.summary import Row, summarize_network

PAPER = {  # parameters and connections. Source: Section II-B
    "c1": (156, 122_304),
    "s2": (12, 5_880),
    "c3": (1_516, 151_600),
    "s4": (32, 2_000),
    "c5": (48_120, 48_120),
    "f6": (10_164, 10_164),
    "output": (0, 840),
}


def test_lenet5_has_the_papers_counts() -> None:
    summary = summarize_network(LeNet5(), (1, 32, 32))
    assert {row.name: (row.parameters, row.connections) for row in summary.rows} == PAPER
    assert (summary.parameters, summary.connections, summary.fixed) == (60_000, 340_908, 840)
    assert [row.field for row in summary.rows] == [5, 6, 14, 16, 32, 32, 32]


def test_lenet5_written_as_layers_has_the_same_rows() -> None:
    written = build_classifier(load_config("lecture/lenet5-1998").config).model
    rows = summarize_network(written, (1, 32, 32)).rows
    built_in = summarize_network(LeNet5(), (1, 32, 32)).rows
    for row, other in zip(rows, built_in, strict=True):
        assert row.__dict__ | {"name": ""} == other.__dict__ | {"name": ""}


@pytest.mark.parametrize("kind", sorted(set(MODELS) - {"layers"}))
def test_every_network_can_be_summed_up(kind: str) -> None:
    size = 28 if kind == "lenet1" else 32
    model = build_model(kind, size)
    summary = summarize_network(model, (1, size, size))
    assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert sum(row.parameters for row in summary.rows) == summary.parameters
    assert summary.rows[-1].output == ((11, 1, 16) if kind == "line" else (10,))
    assert summary.rows[-1].field >= 25
    assert f"{summary.parameters:,}" in summary.table().rows[-1]


def fields(model: nn.Module, size: int) -> dict[str, int]:
    """Measure how many columns of the picture each layer's middle unit sees.

    NaN in a column spreads to every unit that sees it.
    """
    pictures = torch.zeros(size, 1, size, size)
    for column in range(size):
        pictures[column, :, :, column] = torch.nan
    seen: dict[str, int] = {}

    def note(name: str, output: Tensor) -> None:
        middle = output[..., output.shape[-1] // 2] if output.dim() == 4 else output
        seen[name] = int(middle.flatten(1).isnan().any(1).sum())

    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, output, name=name: note(name, output))
    model.eval()(pictures)
    return seen


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (LeNet5(), 32),
        (Compact(), 48),
        (
            LayerSequence(
                [
                    {"conv": {"filters": 2, "size": 3, "stride": 2, "padding": "same"}},
                    {"transposed-conv": {"filters": 2, "size": 4, "stride": 2}},
                    {"local": {"filters": 2, "size": 3}},
                    {"max": {"size": 3, "stride": 2}},
                    {"conv": {"filters": 10, "size": 2, "padding": "same", "border": "replicate"}},
                    "global-average",
                ],
                size=40,
            ),
            40,
        ),
    ],
)
def test_receptive_fields_are_those_that_nan_finds(model: nn.Module, size: int) -> None:
    told = {row.name: row.field for row in summarize_network(model, (1, size, size)).rows}
    found = fields(model, size)
    assert len(told) >= 6
    for name, field in told.items():
        assert found[name] == min(field, size) or name.startswith("transposed"), name
    # Outputs of a transposed convolution see by turns more and fewer inputs.
    assert all(found[n] <= told[n] for n in told)


def test_parameters_of_dense_local_and_convolutional_layers() -> None:
    def first(layer: dict[str, Any]) -> Row:
        head = ["flatten", {"linear": {"units": 10}}]
        model = LayerSequence([layer, *head], size=8)
        return summarize_network(model, (1, 8, 8)).rows[0]

    conv = first({"conv": {"filters": 2, "size": 3}})
    local = first({"local": {"filters": 2, "size": 3}})
    assert (conv.parameters, local.parameters) == (20, 20 * 36)
    assert conv.connections == local.connections == 20 * 36
    assert conv.multiply_adds == local.multiply_adds == 18 * 36


def test_the_table_fits_a_narrow_terminal_also_where_names_are_long() -> None:
    model = build_model("lenet5-modern", 32, batch_norm=True)
    assert summarize_network(model, (1, 32, 32)).table().narrowest <= 80


def test_a_fraction_is_shown_as_pytorch_rounds_it() -> None:
    layers = [
        {"conv": {"filters": 1, "size": 5, "stride": 2}},
        "flatten",
        {"linear": {"units": 10}},
    ]
    table = summarize_network(LayerSequence(layers), (1, 28, 28)).table()
    assert "(28 + 2·0 - 5)/2 + 1 = 12.5, rounded down 12" in str(table)


def test_a_sum_of_branches_sees_what_the_widest_branch_sees() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.deep = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1))
            self.flat = nn.Conv2d(1, 1, 1)
            self.last = nn.Conv2d(1, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.last(self.deep(x) + self.flat(x))
            return y

    rows = summarize_network(Residual(), (1, 9, 9)).rows
    assert [(row.name, row.field) for row in rows] == [
        ("deep.0", 3), ("deep.1", 5), ("flat", 1), ("last", 7)
    ]  # fmt: skip


def test_a_summary_leaves_the_network_as_it_was() -> None:
    model = Compact().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    summarize_network(model, (1, 28, 28))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    for (_, old), (_, new) in zip(before.items(), model.state_dict().items(), strict=True):
        assert torch.equal(old, new)


def test_layers_are_told_in_the_order_of_their_use() -> None:
    rows = summarize_network(LeNet5(), (1, 32, 32)).rows
    assert all(a.field <= b.field for a, b in pairwise(rows))


def test_the_largest_numbers_fit_into_80_columns() -> None:
    summary = summarize_network(build_model("compact", 32, in_channels=3), (3, 32, 32))
    large = {"output": (9_999, 128, 128), "parameters": 10**8, "multiply_adds": 10**15}
    rows = [replace(row, **large, connections=10**15) for row in summary.rows]
    assert replace(summary, rows=rows, parameters=10**9).table().narrowest <= 80
