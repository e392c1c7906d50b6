"""Sizes and counts, by hand and against PyTorch."""

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from lenet.errors import UsageError
from lenet.models.arithmetic import (
    Field,
    Step,
    TransposedStep,
    convolution_parameters,
    dense_parameters,
    local_parameters,
    padding_pixels,
    work_out,
)

small = st.integers(1, 12)


def test_three_by_three_on_five_with_padding_1_and_stride_2_makes_three() -> None:
    step = Step(5, size=3, stride=2, before=1, after=1)
    assert step.output == 3
    assert step.formula() == "(5 + 2·1 - 3)/2 + 1 = 3"
    assert TransposedStep(3, size=3, stride=2, padding=1).output == 5


def test_ten_filters_of_five_by_five_on_three_maps_have_760_parameters() -> None:
    assert convolution_parameters(3, 10, (5, 5)) == 760


def test_sharing_divides_the_parameters() -> None:
    # One 5×5 map of C1 on 32×32 pixels: 28×28 places.
    assert convolution_parameters(1, 1, (5, 5)) == 26
    assert local_parameters(1, 1, (5, 5), (28, 28)) == 26 * 784
    assert dense_parameters(32 * 32, 28 * 28) == 1025 * 784


def test_a_fractional_output_is_rounded_down_and_said() -> None:
    step = Step(32, size=5, stride=2)
    assert step.exact == 14.5
    assert step.output == 14
    assert step.unseen == 1
    assert step.formula() == "(32 + 2·0 - 5)/2 + 1 = 14.5, rounded down 14"


@pytest.mark.parametrize(
    ("padding", "size", "pixels"),
    [
        ("valid", 5, (0, 0)),
        ("same", 5, (2, 2)),
        ("same", 4, (1, 2)),
        ("full", 5, (4, 4)),
        (3, 5, (3, 3)),
    ],
)
def test_padding_has_names(padding: str, size: int, pixels: tuple[int, int]) -> None:
    assert padding_pixels(padding, size) == pixels  # type: ignore[arg-type]


def test_impossible_sizes_are_explained_with_the_arithmetic() -> None:
    with pytest.raises(UsageError, match=r"a filter of 7 does not fit into 5 \+ 2·0 pixels"):
        Step(5, size=7)
    with pytest.raises(UsageError, match=r"\(5 \+ 2·0 - 7\)/1 \+ 1 = -1 is less than 1"):
        Step(5, size=7)
    with pytest.raises(UsageError, match="stride is 0"):
        Step(5, size=3, stride=0)
    with pytest.raises(UsageError, match=r"nothing is left: \(1 - 1\)·1 - 2·2 \+ 3 = -1"):
        TransposedStep(1, size=3, padding=2)
    with pytest.raises(UsageError, match="2 extra pixels: 0 to stride - 1 = 1"):
        TransposedStep(3, size=3, stride=2, extra=2)
    with pytest.raises(UsageError, match="padding is valid, same, full or a number"):
        padding_pixels(-1, 3)


@given(n=small, size=small, stride=st.integers(1, 5), padding=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_convolutions_have_the_size_that_pytorch_gives_them(
    n: int, size: int, stride: int, padding: int
) -> None:
    assume(size <= n + 2 * padding)
    layer = nn.Conv2d(1, 1, size, stride, padding)
    step = Step.padded(n, size, stride, padding)
    assert layer(torch.zeros(1, 1, n, n)).shape[-1] == step.output


@given(n=small, size=small, padding=st.sampled_from(["valid", "same", "full"]))
@settings(max_examples=50, deadline=None)
def test_named_paddings_keep_their_promise(n: int, size: int, padding: str) -> None:
    assume(size <= n)
    output = Step.padded(n, size, 1, padding).output  # type: ignore[arg-type]
    assert output == {"valid": n - size + 1, "same": n, "full": n + size - 1}[padding]


@given(
    n=small,
    size=small,
    stride=st.integers(1, 5),
    padding=st.integers(0, 5),
    extra=st.integers(0, 4),
)
@settings(max_examples=100, deadline=None)
def test_transposed_convolutions_have_the_size_that_pytorch_gives_them(
    n: int, size: int, stride: int, padding: int, extra: int
) -> None:
    assume(extra < stride and (n - 1) * stride - 2 * padding + size + extra >= 1)
    layer = nn.ConvTranspose2d(1, 1, size, stride, padding, output_padding=extra)
    step = TransposedStep(n, size, stride, padding, extra)
    assert layer(torch.zeros(1, 1, n, n)).shape[-1] == step.output


@given(n=small, size=small, stride=st.integers(1, 5), padding=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_transposed_convolution_undoes_a_size(
    n: int, size: int, stride: int, padding: int
) -> None:
    assume(size <= n + 2 * padding)
    step = Step.padded(n, size, stride, padding)
    assert TransposedStep(step.output, size, stride, padding, step.unseen).output == n


def test_lenet5s_units_see_5_6_14_16_and_32_pixels() -> None:
    field, seen = Field(), []
    for size, stride in ((5, 1), (2, 2), (5, 1), (2, 2), (5, 1)):
        field = field.through(size, stride)
        seen.append((field.size, field.jump))
    assert seen == [(5, 1), (6, 2), (14, 2), (16, 4), (32, 4)]


def test_a_transposed_convolution_halves_the_jump() -> None:
    assert Field(5, 2).through_transposed(4, 2) == Field(7, 1)


def test_an_answer_puts_shared_beside_unshared_weights() -> None:
    answer = work_out("640x480x3", 10, 5)
    assert answer.places == (476, 636)
    assert answer.parameters == 760
    assert answer.multiply_adds == 75 * 10 * 476 * 636
    assert answer.unshared["locally connected"] == 760 * 476 * 636
    assert answer.unshared["fully connected"] == (640 * 480 * 3 + 1) * 10 * 476 * 636
    assert "parameters         (5·5·3 + 1)·10 = 760" in answer.describe()


def test_a_transposed_answer_undoes_an_answer() -> None:
    assert work_out("5x7", 1, 3, stride=2, padding="1").places == (4, 3)
    answer = work_out("3x4", 1, 3, stride=2, padding="1", transposed=True)
    assert answer.places == (7, 5)
    assert answer.multiply_adds == 9 * 12
    assert answer.describe().endswith("multiply-adds      108")


@pytest.mark.parametrize(
    ("picture", "options", "message"),
    [
        ("5 by 5", {}, "'5 by 5': expected width x height x maps"),
        ("5x5x0", {}, "maps is 0"),
        ("5x5", {"padding": "some"}, "padding is valid, same, full or a number"),
        ("5x5", {"extra": 1}, "extra pixels are for a transposed convolution"),
        ("5x5", {"size": 4, "padding": "same", "transposed": True}, "the same on both sides"),
    ],
)
def test_what_makes_no_layer_is_refused(
    picture: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        work_out(picture, 1, **{"size": 3, **options})
