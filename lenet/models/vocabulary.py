"""The words in which a network can be written as a list of layers, and their options.

Each layer is told the shape that comes in, builds its modules and tells the shape that goes out;
what does not fit is explained with the arithmetic. `LAYERS` lists the words.
"""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from torch import nn

from lenet.errors import UsageError, count
from lenet.models.activations import ACTIVATIONS
from lenet.models.arithmetic import Padding, Step, TransposedStep, padding_pixels
from lenet.models.bitmaps import digit_bitmaps
from lenet.models.layers import RBF, PartialConvolution, Subsampling
from lenet.models.local import LocallyConnected

Shape = tuple[int, ...]
"""(channels, height, width) or (units,)."""

Modules = dict[str, nn.Module]
"""A layer's modules in order, by what is appended to its name; the layer itself has nothing."""

MAX_VALUES = 10_000_000
"""What a layer may make of one image, so that a typing error does not fill the memory."""

Count = Annotated[int, Field(ge=1, le=10_000)]


def _count_classes(value: Any, info: ValidationInfo) -> Any:
    """Return the number of classes for the word ``classes``, all else as it is."""
    return info.context["classes"] if value == "classes" and info.context else value


Outputs = Annotated[Count, BeforeValidator(_count_classes)]
"""A number, or the word ``classes``; the context of validation has their number."""
Pixels = Annotated[int, Field(ge=0, le=10_000)]
Constant = Annotated[dict[Literal["constant"], float], Field(min_length=1)]


class Layer(BaseModel):
    """Options of a layer; what is not named here is an error."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    name: Annotated[str, Field(pattern=r"^[A-Za-z][\w-]*$")] | None = None
    """What the layer is called in summaries and weight files; None: its word and number."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the layer's modules and the shape that they put out.

        Args:
            word: The key of `LAYERS` by which the layer was named.
            shape: What comes in.

        Raises:
            UsageError: The shape does not fit; the path names the option to blame, if there is one.
        """
        raise NotImplementedError


class Convolution(Layer):
    """Filters moved over the channels."""

    filters: Outputs
    """Number of output channels; ``classes``: one for each."""
    size: Count
    """Height and width of the filters in pixels."""
    stride: Count = 1
    """Pixels from one place to the next."""
    padding: Literal["valid", "same", "full"] | Pixels = "valid"
    """Pixels added around the channels: none, f - 1 in all, f - 1 on each side, or a number."""
    border: Literal["zeros", "reflect", "replicate", "circular"] | Constant = "zeros"
    """What is added: zeros, ``{constant: c}``, the mirror image, the border, or the other side."""
    groups: Count = 1
    """Channels are divided into groups that do not mix."""
    table: list[list[Pixels]] | None = None
    """For each output channel, the input channels that it sees; None: all (of its group)."""
    bias: bool = True
    """Whether each output channel has a bias."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the convolution, preceded by a padding where it cannot pad by itself."""
        channels, *sizes = _channels(word, shape)
        before, after = padding_pixels(self.padding, self.size)
        out = _places(sizes, self.size, self.stride, self.padding)
        padded = (channels, *(n + before + after for n in sizes))
        if prod(padded) > MAX_VALUES:
            raise UsageError(
                f"padding makes {describe(padded)}, more than the {MAX_VALUES:,} values allowed",
                ("padding",),
            )
        if self.border in ("reflect", "circular"):
            longest = min(sizes) - (1 if self.border == "reflect" else 0)
            if max(before, after) > longest:
                raise UsageError(
                    f"{self.border} can add at most {longest} pixels to {sizes[0]}×{sizes[1]},"
                    f" not {max(before, after)}",
                    ("border",),
                )
        for option, groups in (("groups", channels), ("filters", self.filters)):
            if groups % self.groups:
                raise UsageError(
                    f"{count(groups, 'channel')} cannot be divided into {self.groups} groups",
                    (option,),
                )
        modules: Modules = {}
        own = before if before == after and not isinstance(self.border, dict) else 0
        if self.table is not None:
            self._check_table(self.table, channels)
            own = 0
        if own == 0 and after > 0:
            modules["-border"] = self._padding_module(before, after)
        if self.table is not None:
            modules[""] = PartialConvolution(channels, self.table, self.size)
        else:
            mode = self.border if own and isinstance(self.border, str) else "zeros"
            modules[""] = nn.Conv2d(
                channels,
                self.filters,
                self.size,
                self.stride,
                own,
                groups=self.groups,
                bias=self.bias,
                padding_mode=mode,
            )
        return modules, (self.filters, *out)

    def _padding_module(self, before: int, after: int) -> nn.Module:
        sides = (before, after, before, after)
        if isinstance(self.border, dict):
            return nn.ConstantPad2d(sides, self.border["constant"])
        kinds: dict[str, type[nn.Module]] = {
            "zeros": nn.ZeroPad2d,
            "reflect": nn.ReflectionPad2d,
            "replicate": nn.ReplicationPad2d,
            "circular": nn.CircularPad2d,
        }
        return kinds[self.border](sides)

    def _check_table(self, table: Sequence[Sequence[int]], channels: int) -> None:
        if len(table) != self.filters:
            raise UsageError(
                f"the table has {len(table)} rows for {self.filters} filters", ("table",)
            )
        for row, seen in enumerate(table):
            if not seen or len(set(seen)) < len(seen) or max(seen) >= channels:
                raise UsageError(
                    f"row {row} must name one or more different channels from 0 to {channels - 1}",
                    ("table", row),
                )
        if self.stride != 1 or self.groups != 1 or not self.bias:
            raise UsageError("a table goes with stride 1, one group and biases", ("table",))


class TransposedConvolution(Layer):
    """Each input adds a copy of the filters to the output: undoes a convolution's size."""

    filters: Outputs
    """Number of output channels; ``classes``: one for each."""
    size: Count
    """Height and width of the filters in pixels."""
    stride: Count = 1
    """Pixels between the copies of neighbouring inputs."""
    padding: Pixels = 0
    """Pixels cut off on each side."""
    extra: Pixels = 0
    """Pixels more at the right and bottom, for what a convolution rounded down."""
    bias: bool = True
    """Whether each output channel has a bias."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the transposed convolution."""
        channels, *sizes = _channels(word, shape)
        out = [
            TransposedStep(n, self.size, self.stride, self.padding, self.extra).output
            for n in sizes
        ]
        module = nn.ConvTranspose2d(
            channels, self.filters, self.size, self.stride, self.padding, self.extra, bias=self.bias
        )
        return {"": module}, (self.filters, *out)


class Local(Layer):
    """A convolution without weight sharing: filters of its own at every place."""

    filters: Outputs
    """Number of output channels; ``classes``: one for each."""
    size: Count
    """Height and width of the filters in pixels."""
    stride: Count = 1
    """Pixels from one place to the next."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the locally connected layer."""
        channels, height, width = _channels(word, shape)
        out = _places([height, width], self.size, self.stride, 0)
        module = LocallyConnected(channels, self.filters, self.size, (height, width), self.stride)
        return {"": module}, (self.filters, *out)


class _Pooling(Layer):
    size: Count = 2
    """Height and width of the squares in pixels."""
    stride: Count | None = None
    """Pixels from one square to the next; None: their size, so that they do not overlap."""
    padding: Pixels = 0
    """Pixels added on each side, at most half the size."""

    def _pool(
        self, kind: type[nn.MaxPool2d | nn.AvgPool2d], word: str, shape: Shape
    ) -> tuple[Modules, Shape]:
        channels, *sizes = _channels(word, shape)
        stride = self.stride or self.size
        if 2 * self.padding > self.size:
            raise UsageError(
                f"{self.padding} pixels are more than half of {self.size}", ("padding",)
            )
        out = _places(sizes, self.size, stride, self.padding)
        return {"": kind(self.size, stride, self.padding)}, (channels, *out)


class MaxPooling(_Pooling):
    """The largest value of each square."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the pooling."""
        return self._pool(nn.MaxPool2d, word, shape)


class AveragePooling(_Pooling):
    """The mean of each square."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the pooling."""
        return self._pool(nn.AvgPool2d, word, shape)


class TrainableSubsampling(Layer):
    """The sum of each 2×2 square, times a coefficient, plus a bias: S2 and S4 of 1998."""

    coefficient: float = 0.5
    """What the coefficients start at."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the subsampling."""
        channels, *sizes = _channels(word, shape)
        out = _places(sizes, 2, 2, 0)
        return {"": Subsampling(channels, self.coefficient)}, (channels, *out)


class GlobalAverage(Layer):
    """The mean of each channel, which becomes a unit."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the pooling and the flattening."""
        channels, *_ = _channels(word, shape)
        return {"": nn.AdaptiveAvgPool2d(1), "-flatten": nn.Flatten()}, (channels,)


class Flatten(Layer):
    """Channels become units, row by row, channel by channel."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the flattening."""
        channels, height, width = _channels(word, shape)
        return {"": nn.Flatten()}, (channels * height * width,)


class Linear(Layer):
    """Units that each see all inputs."""

    units: Outputs
    """Number of outputs; ``classes``: one for each."""
    bias: bool = True
    """Whether each has a bias."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the linear layer."""
        return {"": nn.Linear(_units(word, shape), self.units, self.bias)}, (self.units,)


class DigitDistances(Layer):
    """Squared distances of 84 units to the ten bitmaps of 1998: penalties, small is good."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the Radial Basis Function units."""
        centres = digit_bitmaps()
        if _units(word, shape) != centres.shape[1]:
            raise UsageError("rbf compares 84 units with bitmaps of 7×12 pixels")
        return {"": RBF(centres)}, (len(centres),)


class BatchNorm(Layer):
    """Each channel's mean and variance over the batch are normalized, then scaled and moved."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the normalization for channels or units."""
        kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
        return {"": kind(shape[0])}, shape


class Dropout(Layer):
    """Units are switched off at random in training."""

    p: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of them."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the dropout."""
        return {"": nn.Dropout(self.p)}, shape


class Activation(Layer):
    """A function of each value on its own: a key of `ACTIVATIONS`."""

    def build(self, word: str, shape: Shape) -> tuple[Modules, Shape]:
        """Return the function."""
        return {"": ACTIVATIONS[word]()}, shape


LAYERS: dict[str, type[Layer]] = {
    "conv": Convolution,
    "transposed-conv": TransposedConvolution,
    "local": Local,
    "max": MaxPooling,
    "average": AveragePooling,
    "subsampling": TrainableSubsampling,
    "global-average": GlobalAverage,
    "flatten": Flatten,
    "linear": Linear,
    "rbf": DigitDistances,
    "batch-norm": BatchNorm,
    "dropout": Dropout,
    **dict.fromkeys(ACTIVATIONS, Activation),
}
"""What may stand in a list of layers."""


def describe(shape: Shape) -> str:
    """Write a shape as ``6 channels of 28×28`` or ``84 units``."""
    if len(shape) == 1:
        return count(shape[0], "unit")
    return f"{count(shape[0], 'channel')} of {shape[1]}×{shape[2]}"


def _channels(word: str, shape: Shape) -> tuple[int, int, int]:
    if len(shape) == 1:
        raise UsageError(f"{word} needs channels")
    return shape[0], shape[1], shape[2]


def _units(word: str, shape: Shape) -> int:
    if len(shape) > 1:
        raise UsageError(f"{word} needs units: put flatten or global-average before it")
    return shape[0]


def _places(sizes: Sequence[int], size: int, stride: int, padding: Padding) -> list[int]:
    """Return the height and width of what a filter makes of channels."""
    try:
        return [Step.padded(n, size, stride, padding).output for n in sizes]
    except UsageError as error:
        raise UsageError(str(error), ("size",)) from error
