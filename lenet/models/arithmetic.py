"""Convolution arithmetic: output sizes, receptive fields and counts of weights, on paper.

One dimension at a time: n pixels in, a filter of f pixels, p pixels of padding on each side, s
pixels from one place to the next, o = (n + 2p - f)/s + 1 places. Nothing here needs torch.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import gcd
from typing import Any, Literal

from lenet.errors import UsageError, count

Padding = Literal["valid", "same", "full"] | int
"""Padding by name, or pixels on each side."""

MOST_SPANS = 10_000
"""Strides of transposed convolutions multiply to less in any sensible network."""


@dataclass(frozen=True)
class Step:
    """A filter that is moved over n pixels: one dimension of a convolution or pooling.

    Attributes:
        n: Pixels in.
        size: Pixels of the filter, f.
        stride: Pixels from one place to the next, s.
        before: Pixels of padding on the left or at the top.
        after: Pixels of padding on the right or at the bottom.

    Raises:
        UsageError: The filter is larger than the padded input, a size or stride is below 1, or the
            padding is below 0.
    """

    n: int
    size: int
    stride: int = 1
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        _require_positive(n=self.n, size=self.size, stride=self.stride)
        if self.before < 0 or self.after < 0:
            raise UsageError(f"padding cannot be negative: {self.before} and {self.after}")
        if self.size > self.n + self.before + self.after:
            raise UsageError(
                f"a filter of {self.size} does not fit into {self._padded()} pixels:"
                f" {self.formula()} is less than 1"
            )

    @classmethod
    def padded(cls, n: int, size: int, stride: int = 1, padding: Padding = "valid") -> "Step":
        """Return a step whose padding is given by name; see `padding_pixels`."""
        before, after = padding_pixels(padding, size)
        return cls(n, size, stride, before, after)

    @property
    def exact(self) -> float:
        """(n + 2p - f)/s + 1, which need not be whole."""
        return (self.n + self.before + self.after - self.size) / self.stride + 1

    @property
    def output(self) -> int:
        """Places of the filter, o: the exact value rounded down, as PyTorch does."""
        return int(self.exact)

    @property
    def unseen(self) -> int:
        """Pixels at the far end, padding included, that no place of the filter reaches."""
        return (self.n + self.before + self.after - self.size) % self.stride

    def formula(self) -> str:
        """Write the arithmetic, e.g. ``(5 + 2·1 - 3)/2 + 1 = 3``."""
        whole = f"({self._padded()} - {self.size})/{self.stride} + 1 = {round(self.exact, 2):.10g}"
        if self.exact >= 1 and self.unseen:
            return f"{whole}, rounded down {self.output}"
        return whole

    def _padded(self) -> str:
        if self.before == self.after:
            return f"{self.n} + 2·{self.before}"
        return f"{self.n} + {self.before} + {self.after}"


@dataclass(frozen=True)
class TransposedStep:
    """One dimension of a transposed convolution, which undoes the size of a `Step`.

    Attributes:
        n: Pixels in.
        size: Pixels of the filter, f.
        stride: Pixels between the copies of the filter that neighbouring inputs add, s.
        padding: Pixels cut off on each side of the result, p.
        extra: Pixels more at the far end, for what a `Step` rounded down: 0 to s - 1.

    Raises:
        UsageError: Nothing is left after cutting off, or a number is out of its range.
    """

    n: int
    size: int
    stride: int = 1
    padding: int = 0
    extra: int = 0

    def __post_init__(self) -> None:
        _require_positive(n=self.n, size=self.size, stride=self.stride)
        if self.padding < 0:
            raise UsageError(f"padding cannot be negative: {self.padding}")
        if not 0 <= self.extra < self.stride:
            raise UsageError(f"{self.extra} extra pixels: 0 to stride - 1 = {self.stride - 1}")
        if self.output < 1:
            raise UsageError(f"nothing is left: {self.formula()}")

    @property
    def output(self) -> int:
        """(n - 1)s - 2p + f + extra."""
        return (self.n - 1) * self.stride - 2 * self.padding + self.size + self.extra

    def formula(self) -> str:
        """Write the arithmetic, e.g. ``(3 - 1)·2 - 2·1 + 3 = 5``."""
        extra = f" + {self.extra}" if self.extra else ""
        return (
            f"({self.n} - 1)·{self.stride} - 2·{self.padding} + {self.size}{extra} = {self.output}"
        )


def padding_pixels(padding: Padding, size: int) -> tuple[int, int]:
    """Return the pixels before and after that a padding means for a filter.

    Args:
        padding: ``valid`` adds none, ``same`` adds f - 1 in all (with stride 1 the size stays; of
            an odd number the one more goes after), ``full`` adds f - 1 on each side (every overlap
            of at least one pixel counts), a number adds that many on each side.
        size: Pixels of the filter, f.

    Raises:
        UsageError: It is none of these.
    """
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return (size - 1) // 2, size // 2
    if padding == "full":
        return size - 1, size - 1
    if isinstance(padding, int) and padding >= 0:
        return padding, padding
    raise UsageError(f"padding is valid, same, full or a number of pixels, not {padding!r}")


@dataclass(frozen=True)
class Field:
    """What the units of a layer can see of the input, in pixels, in one dimension.

    After a transposed convolution neighbouring units differ in how much they see, in a pattern that
    repeats. So the field of each unit of one period is kept; the largest counts.

    Attributes:
        spans: First and last pixel that units 0, 1, … see, as far as the pattern does not repeat;
            where padding is used, pixels may lie outside the image.
        period: Pixels by which the pattern has moved when it repeats.
    """

    spans: tuple[tuple[int, int], ...] = ((0, 0),)
    period: int = 1

    @property
    def size(self) -> int:
        """Pixels across the largest field; 0 if no unit sees anything."""
        return max(0, *(last - first + 1 for first, last in self.spans))

    @property
    def jump(self) -> float:
        """Mean distance of neighbouring fields in pixels."""
        return self.period / len(self.spans)

    def span(self, unit: int) -> tuple[int, int]:
        """Return the first and the last pixel that a unit sees; unit -1 is the one before 0."""
        turns, place = divmod(unit, len(self.spans))
        first, last = self.spans[place]
        return first + turns * self.period, last + turns * self.period

    def through(self, size: int, stride: int = 1, before: int = 0) -> "Field":
        """Return the fields after a filter.

        Args:
            size: Pixels of the filter, f.
            stride: Pixels from one place to the next, s.
            before: Pixels of padding on the left or at the top.
        """
        common = gcd(len(self.spans), stride)
        spans = []
        for place in range(len(self.spans) // common):
            start = place * stride - before
            spans.append((self.span(start)[0], self.span(start + size - 1)[1]))
        return Field(tuple(spans), self.period * stride // common)

    def through_transposed(self, size: int, stride: int = 1, padding: int = 0) -> "Field":
        """Return the fields after a transposed filter.

        Place o gets input i if 0 ≤ o + p - i·s < f: at most ⌈f/s⌉ neighbouring inputs, and some
        places one less.

        Args:
            size: Pixels of the filter, f.
            stride: Pixels between the copies of the filter that neighbouring inputs add, s.
            padding: Pixels cut off on each side of the result, p.

        Raises:
            UsageError: The strides of all transposed filters multiply to more than `MOST_SPANS`.
        """
        places = len(self.spans) * stride
        if places > MOST_SPANS:
            raise UsageError(f"transposed strides multiply to {places}, more than {MOST_SPANS}")
        spans = []
        for place in range(padding, padding + places):
            first, last = -((size - 1 - place) // stride), place // stride
            spans.append((self.span(first)[0], self.span(last)[1]))
        return Field(tuple(spans), self.period)


def dense_parameters(inputs: int, units: int) -> int:
    """Count the weights and biases of units that each see all inputs."""
    return (inputs + 1) * units


def local_parameters(
    channels: int, filters: int, size: tuple[int, int], places: tuple[int, int]
) -> int:
    """Count the weights and biases of a locally connected layer: a filter of its own per place."""
    return (channels * size[0] * size[1] + 1) * filters * places[0] * places[1]


def convolution_parameters(
    channels: int, filters: int, size: tuple[int, int], groups: int = 1
) -> int:
    """Count the weights and biases of a convolution: a filter for all places.

    Args:
        channels: Input channels.
        filters: Output channels.
        size: Height and width of the filters in pixels.
        groups: Input and output channels are divided into this many groups that do not mix.
    """
    return (channels // groups * size[0] * size[1] + 1) * filters


@dataclass(frozen=True)
class Answer:
    """What a layer makes of its input, and what that takes."""

    channels: int
    filters: int
    size: int
    width: Step | TransposedStep
    height: Step | TransposedStep

    @property
    def places(self) -> tuple[int, int]:
        """Height and width of the output."""
        return self.height.output, self.width.output

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return convolution_parameters(self.channels, self.filters, (self.size, self.size))

    @property
    def multiply_adds(self) -> int:
        """Multiplications whose products are added up, those with padding included."""
        transposed = isinstance(self.width, TransposedStep)
        positions = self.height.n * self.width.n if transposed else self.places[0] * self.places[1]
        return self.channels * self.size**2 * self.filters * positions

    @property
    def unshared(self) -> dict[str, int]:
        """Parameters of other layers from the same input to the same output.

        Empty for a transposed convolution.
        """
        if isinstance(self.width, TransposedStep):
            return {}
        places = self.places[0] * self.places[1]
        inputs = self.channels * self.height.n * self.width.n
        local = local_parameters(self.channels, self.filters, (self.size, self.size), self.places)
        return {
            "locally connected": local,
            "fully connected": dense_parameters(inputs, self.filters * places),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the answer for JSON."""
        return {
            "output": [self.filters, *self.places],
            "width": asdict(self.width),
            "height": asdict(self.height),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "unshared": self.unshared,
        }

    def describe(self) -> str:
        """Return the answer as text, each line with its arithmetic."""
        f, places = self.size, self.places
        lines = [
            ("width", self.width.formula()),
            ("height", self.height.formula()),
            (
                "output",
                f"{count(self.filters, 'channel')} of {places[1]}×{places[0]} (width × height)",
            ),
            ("parameters", f"({f}·{f}·{self.channels} + 1)·{self.filters} = {self.parameters:,}"),
            ("multiply-adds", f"{self.multiply_adds:,}"),
            *((f"{name}", f"{n:,} parameters") for name, n in self.unshared.items()),
        ]
        return "\n".join(f"{name:<18} {text}" for name, text in lines)


def work_out(
    picture: str,
    filters: int,
    size: int,
    *,
    stride: int = 1,
    padding: str = "valid",
    transposed: bool = False,
    extra: int = 0,
) -> Answer:
    """Work out a layer.

    Args:
        picture: ``640x480x3``: width, height and, if not 1, the number of channels.
        filters: Number of output channels.
        size: Height and width of the filters in pixels.
        stride: Pixels from one place to the next.
        padding: ``valid``, ``same``, ``full`` or a number of pixels.
        transposed: Whether the convolution is a transposed one.
        extra: Pixels more at the far end, of a transposed one.

    Raises:
        UsageError: The text has another form, or the layer is impossible.
    """
    found = re.fullmatch(r"(\d+)[x×](\d+)(?:[x×](\d+))?", picture.strip().lower())
    if not found:
        raise UsageError(f"{picture!r}: expected width x height x channels, such as 640x480x3")
    width, height, channels = (int(text or 1) for text in found.groups())
    _require_positive(channels=channels, filters=filters, size=size)
    named: Any = int(padding) if padding.isdecimal() else padding
    before, after = padding_pixels(named, size)
    if transposed and before != after:
        raise UsageError("a transposed convolution cuts off the same on both sides")
    if extra and not transposed:
        raise UsageError("extra pixels are for a transposed convolution")

    def step(n: int) -> Step | TransposedStep:
        if transposed:
            return TransposedStep(n, size, stride, before, extra)
        return Step(n, size, stride, before, after)

    return Answer(channels, filters, size, step(width), step(height))


def require_input_size(
    network: str, size: int, layers: Mapping[str, tuple[int, int]], places: int = 1
) -> None:
    """Check that a network's layers leave as many places as its first dense layer takes.

    Args:
        network: Its name, for the message.
        size: Width and height of its input in pixels.
        layers: Each layer's name, and the size and the stride of its filters, in order.
        places: Width and height of what the last one puts out.

    Raises:
        UsageError: The input has another size; the message follows it through the layers.
    """
    needed, at, walk = places, float(size), str(size)
    for f, stride in reversed(list(layers.values())):
        needed = (needed - 1) * stride + f
    if size == needed:
        return
    for name, (f, stride) in layers.items():
        at = (at - f) / stride + 1
        walk += f" → {name} {at:g}"
    raise UsageError(
        f"{network} takes {needed}×{needed} pixels, not {size}×{size}"
        f" ({walk}, where {places} is needed)"
    )


def _require_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise UsageError(f"{name} is {value}, but must be at least 1")
