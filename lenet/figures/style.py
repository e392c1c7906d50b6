"""One style for all pictures: two themes, colours that colour-blind readers can tell apart.

Pictures are plain `matplotlib.figure.Figure` objects without pyplot, so they need no screen and
leave no global state. The same figure saved twice gives the same bytes.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox, BboxBase
from torch import Tensor

from lenet.errors import RunError, UsageError
from lenet.runs.files import write_atomically

WIDTH = 8.3
"""Inches across. Saved at `DPI` and shown 830 px wide, text has its natural size."""
DPI = 200
LONGEST_TITLE = 84
"""Characters that fit across the figure in bold."""
LONGEST_NAME = 16
"""Characters of a class's name in a figure."""
FORMATS = ("png", "svg", "pdf")
OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari",
    "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei", "Meiryo",
    "Malgun Gothic", "Arial Unicode MS",
)  # fmt: skip
"""Fonts for names of classes that are not in Latin, Greek or Cyrillic letters, where installed."""

SPLIT_COLOURS = {"test": "C0", "train": "C1", "validation": "C2"}
"""The colours of splits in all pictures."""

_COMMON: dict[Any, Any] = {
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.6,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
    "svg.fonttype": "none",  # text stays text, which can be searched and read aloud
    "text.parse_math": False,  # names may hold a dollar sign
    "svg.hashsalt": "lenet",
}


def _theme(text: str, faint: str, line: str, paper: str, image: str, *cycle: str) -> dict[Any, Any]:
    """Return a theme's settings from its colours; `image` is the colour map of images."""
    written = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor")
    papered = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    return {
        **_COMMON,
        **dict.fromkeys((*written, "ytick.labelcolor"), text),
        **dict.fromkeys(papered, paper),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), faint),
        "grid.color": line,
        "image.cmap": image,
        "axes.prop_cycle": cycler(color=cycle),
    }


DARK_IMAGES = LinearSegmentedColormap.from_list("lenet-dark", ["#0d1117", "#ffffff"])
"""Images without a black square around them: their background is that of the dark theme."""
mpl.colormaps.register(DARK_IMAGES, force=True)

THEMES: dict[str, dict[Any, Any]] = {
    "light": _theme(
        "#1f2328", "#6e7781", "#e4e7eb", "#ffffff", "gray_r",
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6e7781",
    ),
    "dark": _theme(
        "#e6edf3", "#8b949e", "#2d333b", "#0d1117", DARK_IMAGES.name,
        "#56b4e9", "#ff8c42", "#2ec4a0", "#e3a5cc", "#f0c04f", "#a5d8ff", "#8b949e",
    ),
}  # fmt: skip
"""matplotlib settings by theme. The colours are Okabe and Ito's, lighter in the dark theme.

Source: M. Okabe and K. Ito, "Color Universal Design", 2008.
"""


@contextmanager
def applied(theme: str = "light") -> Iterator[None]:
    """Draw in a theme within the block.

    Raises:
        UsageError: `theme` is no key of `THEMES`.
    """
    check_theme(theme)
    with mpl.rc_context(THEMES[theme] | {"font.family": _families()}), warnings.catch_warnings():
        # A name in a script that no font here has is drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


@cache
def _families() -> list[str]:
    """Return the fonts to draw with: others only for letters that the first one lacks."""
    from matplotlib.font_manager import fontManager  # looks for fonts when it is imported

    installed = {font.name for font in fontManager.ttflist}
    return [_COMMON["font.family"], *(name for name in OTHER_SCRIPTS if name in installed)]


def foreground() -> str:
    """Return the theme's colour of text."""
    return str(mpl.rcParams["text.color"])


def faint() -> str:
    """Return the theme's colour of unimportant things."""
    return str(mpl.rcParams["axes.edgecolor"])


def line() -> str:
    """Return the theme's colour of grid lines and of gaps between images."""
    return str(mpl.rcParams["grid.color"])


def paper() -> str:
    """Return the theme's colour of the background."""
    return str(mpl.rcParams["axes.facecolor"])


SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
"""Where a point's name may stand: to the right, to the left, below, above, and at the corners."""


@dataclass(frozen=True)
class Point:
    """A point to be named.

    Attributes:
        name: What it is.
        x: Its place, in the axes' data.
        y: Its height.
        spread: Half the length of its error bar.
        faintly: Whether it matters less; its name then rather stands to the left.
    """

    name: str
    x: float
    y: float
    spread: float = 0.0
    faintly: bool = False


def label_points(axes: Axes, points: Sequence[Point], *, upon: bool = False, **text: Any) -> None:
    """Write what points are, each where it covers least of the points, bars and names before it.

    Args:
        axes: With its scales and everything else that is to be seen.
        points: What matters most comes first.
        upon: Names stand upon their points if there is room, and may cover them.
        text: Properties of the names.
    """
    figure = cast(Figure, axes.figure)
    figure.draw_without_rendering()  # limits and layout are known from here on
    point = figure.dpi / 72
    taken: list[BboxBase] = []
    for each in () if upon else points:
        ends = [(each.x, each.y + sign * each.spread) for sign in (-1, 1)]
        taken.append(Bbox(axes.transData.transform(ends)).padded(4 * point))
    for each in points:
        sides = [*sorted(SIDES[:2], reverse=not each.faintly), *SIDES[2:]]
        if upon:
            sides.insert(0, (0, 0))
        name = axes.annotate(
            each.name,
            (each.x, each.y),
            xytext=(0, 0),
            textcoords="offset points",
            color=faint() if each.faintly else foreground(),
            **({"fontsize": 7} | text),
        )
        boxes = []
        for side in sides:
            _stand(name, side)
            boxes.append(name.get_window_extent())
        covered = [sum(_common(box, other) for other in taken) for box in boxes]
        best = min(range(len(sides)), key=lambda n: covered[n])
        _stand(name, sides[best])
        taken.append(boxes[best])


def _stand(text: Annotation, side: tuple[int, int]) -> None:
    """Put a point's name to one of `SIDES`."""
    across, up = side
    text.set_position((7 * across, 7 * up) if not (across and up) else (5 * across, 5 * up))
    text.set_horizontalalignment("left" if across > 0 else "right" if across else "center")
    text.set_verticalalignment("bottom" if up > 0 else "top" if up else "center")


def _common(one: BboxBase, other: BboxBase) -> float:
    """Return the area that two boxes share."""
    shared = Bbox.intersection(one, other)
    return 0.0 if shared is None else float(shared.width * shared.height)


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """Return a colour mixed into the background.

    Args:
        colour: Any of matplotlib's names.
        share: The colour's share, 0 to 1.
    """
    red, green, blue = (
        share * a + (1 - share) * b for a, b in zip(to_rgb(colour), to_rgb(paper()), strict=True)
    )
    return red, green, blue


def diverging() -> Colormap:
    """Return a map from orange (negative) over the background (0) to blue (positive).

    Masked values have the colour of `line`.
    """
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    around_zero = [colours[1], paper(), colours[0]]
    return LinearSegmentedColormap.from_list("diverging", around_zero).with_extremes(bad=line())


def sequential() -> Colormap:
    """Return a map from the background (0) to orange (1)."""
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return LinearSegmentedColormap.from_list("sequential", [paper(), colours[1]])


def new_figure(height: float, title: str = "") -> Figure:
    """Return an empty figure of the common width.

    Args:
        height: Inches.
        title: One line at the top left, ``NAME: …``; a long name is shortened.
    """
    figure = Figure(figsize=(WIDTH, height))
    if title:
        name, colon, about = title.partition(": ")
        shown = shorten(name, LONGEST_TITLE - len(colon + about)) + colon + about
        figure.suptitle(shown, x=0.01, ha="left")
    return figure


def shorten(name: str, most: int = 40) -> str:
    """Leave out the middle of a name that has more than `most` (≥ 3) characters.

    Names of runs with overrides list them, ``gap,epochs=2,…``, and can be long. If there is room
    for the first and the last of them, those between are left out.
    """
    if len(name) <= most:
        return name
    first, *others = name.split(",")
    for begin in range(1, len(others)):
        shown = ",".join([first, "…", *others[begin:]])
        if len(shown) <= most:
            return shown
    head = most // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def short_names(names: Sequence[str]) -> list[str]:
    """Return the names of classes, the long ones shortened."""
    return [shorten(name, LONGEST_NAME) for name in names]


def bare(axes: Axes) -> Axes:
    """Remove frame, ticks and grid, for axes that hold images or drawings."""
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def frame(axes: Axes, colour: str) -> None:
    """Draw a frame around axes."""
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.6)


def grey(images: Tensor) -> Tensor:
    """Return the mean of an image's channels, (…, C, H, W) → (…, H, W) of the same dtype."""
    if images.shape[-3] == 1:
        return images[..., 0, :, :]
    return images.float().mean(dim=-3).to(images.dtype)


def show(axes: Axes, image: Tensor, *, pictures: bool, **options: Any) -> None:
    """Draw an image: in colour, or in grey levels.

    Args:
        axes: Where.
        image: (C, H, W) with C = 1 or 3, or (H, W), in 0 to 1.
        pictures: Whether 0 is black; otherwise it is the background, which has the colour of paper.
        options: Of matplotlib's ``imshow``.
    """
    pixels = image.permute(1, 2, 0) if image.dim() == 3 else image
    cmap = "gray" if pictures else None
    axes.imshow(pixels.clamp(0, 1).cpu().numpy(), vmin=0, vmax=1, cmap=cmap, **options)


def strokes(image: Tensor, *, pictures: bool) -> Tensor:
    """Return how much each pixel of an image stands out from the theme's background.

    Args:
        image: (C, H, W) in 0 to 1.
        pictures: As for `show`.

    Returns:
        (H, W), 0 where nothing stands out, 1 where something most does.
    """
    level = grey(image)
    return 1 - level if pictures and to_rgb(paper())[0] > 0.5 else level


def tile(images: Tensor, columns: int, gap: int = 2) -> Tensor:
    """Tile images, as `mosaic` does, into one that `show` draws.

    Args:
        images: (N, C, H, W) in 0 to 1.
        columns: Images in a row.
        gap: Pixels between images, which are of the background in grey and white in colours.
    """
    empty = float(images.shape[1] == 3)
    tiled = [mosaic(images[:, i], columns, gap).filled(empty) for i in range(images.shape[1])]
    return torch.stack([torch.from_numpy(channel) for channel in tiled])


def write_ticks(axis: Axis, unit: str = "") -> None:
    """Write the numbers of an axis as everywhere else, ``0.1`` or ``5 %``.

    matplotlib writes those of logarithmic axes as formulas, which `_COMMON` does not parse.

    Args:
        axis: The axis.
        unit: What follows each number.
    """
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{write_number(value)}{unit}"))


def write_number(value: float) -> str:
    """Write a number of an axis without an exponent: ``10,000``, ``2.5``, ``0.00001``."""
    if abs(value) >= 1:
        return f"{value:,.10g}"
    return np.format_float_positional(value, precision=10, trim="-")


def set_apart(values: Sequence[float], nearest: float) -> list[int]:
    """Return a lane for each value, so that those in a lane are no nearer than `nearest`.

    Returns:
        0, or where values lie close together 1, -1, 2, …: the lanes next to it by turns.
    """
    ends: list[float] = []
    lanes = [0] * len(values)
    for i in sorted(range(len(values)), key=values.__getitem__):
        free = (lane for lane, end in enumerate(ends) if values[i] - end >= nearest)
        lane = next(free, len(ends))
        ends[lane:] = [values[i], *ends[lane + 1 :]]
        lanes[i] = (lane + 1) // 2 * (1 if lane % 2 else -1)
    return lanes


def mosaic(images: Tensor, columns: int, gap: int = 2) -> "np.ma.MaskedArray[Any, Any]":
    """Tile images into one, so that matplotlib draws a hundred of them at once.

    Args:
        images: (N, H, W), any dtype.
        columns: Images in a row.
        gap: Pixels between images; they are masked.

    Returns:
        (rows (H + gap) - gap, columns (W + gap) - gap). Image i has its top left corner at row
        ``i // columns * (H + gap)`` and column ``i % columns * (W + gap)``.
    """
    count, height, width = images.shape
    shape = (-(-count // columns) * (height + gap) - gap, columns * (width + gap) - gap)
    pixels = images.cpu().numpy()
    tiled = np.zeros(shape, pixels.dtype)
    empty = np.ones(shape, bool)
    for i, image in enumerate(pixels):
        y, x = i // columns * (height + gap), i % columns * (width + gap)
        tiled[y : y + height, x : x + width] = image
        empty[y : y + height, x : x + width] = False
    return np.ma.MaskedArray(tiled, empty)


def pixels(figure: Figure) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Render a figure, uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def check_suffix(path: Path) -> str:
    """Return the format that a path's suffix names.

    Raises:
        UsageError: It is none of `FORMATS`.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(f"{path}: a picture is {', '.join(FORMATS)}, not {kind or 'nameless'}")
    return kind


def check_theme(theme: str) -> None:
    """Refuse an unknown theme.

    Raises:
        UsageError: `theme` is no key of `THEMES`.
    """
    if theme not in THEMES:
        raise UsageError(f"no theme {theme!r}; there are {', '.join(THEMES)}")


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in the format that the path's suffix names.

    Raises:
        UsageError: The suffix is none of `FORMATS`.
        RunError: The file cannot be written.
    """
    kind = check_suffix(path)
    undated = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    drawn = io.BytesIO()
    metadata = undated.get(kind, {"CreationDate": None, "Producer": None})
    figure.savefig(drawn, format=kind, dpi=DPI, metadata=metadata)
    write_atomically(path, drawn.getvalue())
