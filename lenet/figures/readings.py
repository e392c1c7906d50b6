"""Pictures beside what a network saw and read in them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.data.pictures import STDIN, guarded_decoding, read_picture
from lenet.errors import printable
from lenet.figures import style
from lenet.reading.digitize import WORK_SIDE
from lenet.reading.predict import Reading

MOST = 60  # pictures in one figure
COLUMNS = 3
BARS = 10
"""Of more classes, the most probable ones are shown."""


def draw_readings(readings: Sequence[Reading], reject: float = 0.0) -> Figure:
    """Draw each picture, the network's input, and the probability of each class.

    Args:
        readings: The first `MOST` that were read are shown; standard input cannot be seen again.
        reject: Readings below this probability are titled "unsure".
    """
    shown = [r for r in readings if r.seen is not None and r.path not in (None, STDIN)][:MOST]
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = style.new_figure(1.25 * rows + 0.2)
    grid = figure.subplots(rows, 3 * COLUMNS, squeeze=False, width_ratios=[4, 4, 2] * COLUMNS)
    for axes in grid.ravel():
        axes.set_axis_off()
    for k, reading in enumerate(shown):
        row, column = divmod(k, COLUMNS)
        original, seen, bars = grid[row, 3 * column : 3 * column + 3]
        with guarded_decoding():
            assert reading.seen is not None and reading.path is not None  # left out above
            picture = read_picture(reading.path, WORK_SIDE)
        y, x = reading.seen.box
        whole = reading.seen.ink.ndim == 3
        original.imshow(np.broadcast_to(picture, (*picture.shape[:2], 3)))
        corner = (x.start - 0.5, y.start - 0.5)  # a pixel's middle is at its whole numbers
        frame = Rectangle(corner, x.stop - x.start, y.stop - y.start, fill=False, edgecolor="C1")
        if not whole:
            original.add_patch(frame)
        original.set_title(_shorten(printable(reading.path.name)), fontsize=7, fontweight="normal")
        image = reading.seen.ink.transpose(1, 2, 0) if whole else reading.seen.ink
        seen.imshow(image, cmap="gray", vmin=0, vmax=1)
        sure = reading.probability
        title = f"{reading.label}  {100 * sure:.0f} %" if sure >= reject else "unsure"
        seen.set_title(title, fontsize=9)
        bars.set_axis_on()
        style.bare(bars)
        likely = sorted(reading.ranking[:BARS])
        places = range(len(likely))
        bars.barh(places, [reading.probabilities[label] for label in likely], color="C0")
        bars.set(xlim=(0, 1), ylim=(len(likely) - 0.4, -0.6))
        bars.set_yticks(places, [reading.classes[label] for label in likely], fontsize=6)
        bars.tick_params(length=0, pad=1)
    return figure


def _shorten(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:9]}…{name[-8:]}"
