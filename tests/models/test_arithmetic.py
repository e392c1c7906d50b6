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


def test_units_after_a_transposed_convolution_differ_in_what_they_see() -> None:
    # A filter of 3 with stride 2: place 0 sees input 0, place 1 input 0, place 2 inputs 0 and 1.
    field = Field().through_transposed(3, 2)
    assert [field.span(place) for place in range(4)] == [(-1, 0), (0, 0), (0, 1), (1, 1)]
    assert (field.size, field.jump) == (2, 0.5)
    # Of the three places that a filter of 3 sees next, two can be of the kind that sees more.
    assert field.through(3).size == 3
    # Doubled pixels: a filter of 2 with stride 2 sees one or two of those before.
    doubled = Field().through(2, 2).through_transposed(2, 2)
    assert (doubled.size, doubled.jump) == (2, 1)
    assert doubled.through(2).size == 4


def test_filters_with_gaps_see_nothing_in_between() -> None:
    field = Field().through_transposed(1, 3)
    assert [last - first + 1 for first, last in field.spans] == [1, 0, 0]
    assert field.through(3).size == 1


@st.composite
def stacks(draw: st.DrawFn) -> list[tuple[bool, int, int, int]]:
    """One to four layers: transposed or not, size, stride and padding."""
    layer = st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2))
    return draw(st.lists(layer, min_size=1, max_size=4))


@given(stack=stacks())
@settings(max_examples=60, deadline=None)
def test_fields_are_as_large_as_the_gradients_say(
    stack: list[tuple[bool, int, int, int]],
) -> None:
    layers, field, n = [], Field(), 40
    for transposed, size, stride, padding in stack:
        kind = nn.ConvTranspose1d if transposed else nn.Conv1d
        n = (
            (n - 1) * stride - 2 * padding + size
            if transposed
            else (n + 2 * padding - size) // stride + 1
        )
        assume(1 <= n <= 400)
        layers.append(kind(1, 1, size, stride, padding, bias=False).double())
        nn.init.ones_(layers[-1].weight)
        field = (
            field.through_transposed(size, stride, padding)
            if transposed
            else field.through(size, stride, padding)
        )
    inputs = torch.zeros(1, 1, 40, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(nn.Sequential(*layers), inputs)[0, 0, :, 0, 0]
    widest = 0
    for unit, slope in enumerate(slopes):  # slope: of each input pixel
        seen = slope.nonzero().flatten().tolist()
        if not seen:
            continue
        first, last = field.span(unit)
        assert first <= seen[0] and seen[-1] <= last
        widest = max(widest, seen[-1] - seen[0] + 1)
    assert widest <= field.size
    if not any(padding for *_, padding in stack) and not any(t for t, *_ in stack):
        assert widest == field.size


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
        ("5 by 5", {}, "'5 by 5': expected width x height x channels"),
        ("5x5x0", {}, "channels is 0"),
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
