"""The network that reads lines: what comes out of it, and what it cannot be built for."""

import pytest
import torch

from lenet.errors import UsageError
from lenet.models.line import Line


@pytest.mark.parametrize("width", [32, 144, 201])
def test_a_line_of_any_width_becomes_logits_of_every_second_column(width: int) -> None:
    assert Line()(torch.zeros(2, 1, 32, width)).shape == (2, (width + 1) // 2, 11)


def test_it_has_as_many_parameters_as_its_layers() -> None:
    # 25 · 16 + 9 · (16 · 24 + 24 · 40) + 12 · 40 · 64 + 9 · 64 · 64 + 2 · 208 + 65 · 11
    assert sum(w.numel() for w in Line().parameters()) == 81_211


def test_seven_channels_are_two_convolutions_at_each_height() -> None:
    network = Line(channels=(2, 3, 4, 5, 6, 7, 8))
    shapes = {name: tuple(w.shape) for name, w in network.named_parameters() if name[0] == "c"}
    assert list(shapes.values()) == [
        (2, 1, 5, 5), (3, 2, 3, 3), (4, 3, 3, 3), (5, 4, 3, 3), (6, 5, 3, 3), (7, 6, 4, 3),
        (8, 7, 1, 9),
    ]  # fmt: skip
    assert [name for name, _ in network.named_children() if "pool" in name] == ["pool3", "pool5"]
    assert network(torch.zeros(1, 1, 32, 50)).shape == (1, 25, 11)


@pytest.mark.parametrize("channels", [(2, 3, 4), (2, 3, 4, 5, 6, 7)])
def test_the_height_is_halved_after_equally_many_convolutions(channels: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=f"5, 7, 9, … convolutions, not {len(channels)}"):
        Line(channels=channels)


def test_a_height_that_cannot_be_halved_and_an_even_context_are_refused() -> None:
    with pytest.raises(UsageError, match="8, 16, 24, … pixels high, not 28"):
        Line(size=28)
    with pytest.raises(UsageError, match="context must be odd, not 4"):
        Line(context=4)
