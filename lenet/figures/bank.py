"""Pictures of the classical filters, of padding, strides and transposed convolution."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor
from torch.nn import functional as F

from lenet.figures import style
from lenet.models.arithmetic import Step, TransposedStep
from lenet.studies.classical_filters import (
    BANK,
    BORDERS,
    Filter,
    cross_correlate,
    gaussian,
    pad_picture,
)

COLUMNS = 5


def draw_bank(picture: Tensor, name: str) -> Figure:
    """Draw every filter's values and what it makes of a picture.

    Args:
        picture: Brightness in [0, 1], float32 (H, W), at least 7×7.
        name: What the picture is, for the title.
    """
    figure = style.new_figure(10.6, f"Classical filters, cross-correlated with {name}")
    rows = -(-(len(BANK) + 1) // COLUMNS)
    cells = list(figure.subfigures(rows, COLUMNS, squeeze=False).flat)
    _show(cells[0].subplots(), picture, "the picture")
    for cell, (title, filter_) in zip(cells[1:], BANK.items(), strict=False):
        _draw_filter(cell, title, filter_, picture)
    return figure


def draw_arithmetic(picture: Tensor, name: str) -> Figure:
    """Draw kinds of padding, strides, and a transposed convolution that restores the size.

    Args:
        picture: Brightness in [0, 1], float32 (H, W), at least 7×7.
        name: What the picture is, for the title.
    """
    figure = style.new_figure(6.6, f"Padding, strides and transposed convolution on {name}")
    borders, strides, undone = figure.subfigures(3, 1, squeeze=False)[:, 0]
    # The middle of the picture, whose strokes reach the edge, so that the kinds of padding differ.
    top, left = (n // 4 for n in picture.shape)
    middle = picture[top : picture.shape[0] - top, left : picture.shape[1] - left]
    margin = max(1, min(middle.shape) * 3 // 10)
    for axes, border in zip(borders.subplots(1, len(BORDERS)), BORDERS, strict=True):
        padded = pad_picture(middle, (margin, margin), border, 0.5)  # type: ignore[arg-type]
        _show(axes, padded, f"padding: {border}" + (" 0.5" if border == "constant" else ""))
        _frame(axes, margin, middle)
    edge = BANK["Sobel"].values
    for axes, stride in zip(strides.subplots(1, 4), (1, 2, 3, 4), strict=True):
        _show_signed(axes, cross_correlate(picture, edge, stride=stride))
        step = Step(picture.shape[1], 3, stride)
        axes.set_title(f"Sobel, stride {stride}", fontsize=8)
        axes.set_xlabel(step.formula(), fontsize=6)
    down, up, whole = undone.subplots(1, 3, width_ratios=(1, 1, 1))
    small = cross_correlate(picture, gaussian(3, 0.8), stride=2, padding=1, border="replication")
    _show(down, small, "blurred, stride 2")
    steps = [Step(n, 3, 2, 1, 1) for n in picture.shape]
    down.set_xlabel(steps[1].formula(), fontsize=6)
    extra = (steps[0].unseen, steps[1].unseen)
    ramp = BANK["bilinear"].values * 4  # neighbours' copies overlap and add up to a straight line
    large = F.conv_transpose2d(
        small[None, None], ramp[None, None], stride=2, padding=1, output_padding=extra
    )[0, 0]
    _show(up, large, "transposed, stride 2: the size is back")
    up.set_xlabel(TransposedStep(small.shape[1], 3, 2, 1, extra[1]).formula(), fontsize=6)
    _show(whole, picture, "the picture")
    return figure


def _draw_filter(cell: SubFigure, title: str, filter_: Filter, picture: Tensor) -> None:
    cell.suptitle(title, fontsize=9)
    values, answer = cell.subplots(2, 1, height_ratios=(1, 1.15))
    _show_signed(values, filter_.values)
    size = len(filter_.values)
    for y, row in enumerate(filter_.values.tolist()):
        for x, value in enumerate(row):
            text = f"{value:.2f}".rstrip("0").rstrip(".").replace("-0.", "-.").replace("0.", ".")
            values.text(x, y, text, ha="center", va="center", fontsize=24 / size)
    _show_signed(answer, cross_correlate(picture, filter_.values))
    answer.set_xlabel(filter_.about, fontsize=6)


def _show(axes: Axes, picture: Tensor, title: str) -> None:
    style.bare(axes).imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=8)


def _show_signed(axes: Axes, values: Tensor) -> None:
    bound = float(values.abs().max()) or 1.0
    style.bare(axes).imshow(values.numpy(), cmap=style.diverging(), vmin=-bound, vmax=bound)


def _frame(axes: Axes, margin: int, picture: Tensor) -> None:
    height, width = picture.shape
    left, right, top, bottom = (
        margin - 0.5,
        margin + width - 0.5,
        margin - 0.5,
        margin + height - 0.5,
    )
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], "C1", linewidth=1)
