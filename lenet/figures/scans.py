"""A page of digits with the readings on it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.data.pictures import Picture
from lenet.figures import style
from lenet.reading.scan import Scan


def draw_scan(picture: Picture, scan: Scan) -> Figure:
    """Draw a page with a box and a digit for each one found, and the class map if there is one.

    Args:
        picture: (H, W, 1 or 3) uint8, as it was scanned.
        scan: What was found on it.
    """
    height, width = picture.shape[:2]
    tall = min(style.WIDTH * height / width, 8.0)
    panels = 1 if scan.class_map is None else 2
    figure = style.new_figure(tall * panels + 0.4 * panels)
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    style.bare(axes[0]).imshow(np.broadcast_to(picture, (height, width, 3)))
    if scan.crossings is not None:
        for lines in (scan.crossings, scan.crossings.swapaxes(0, 1)):
            axes[0].plot(lines[..., 0], lines[..., 1], color="C1", linewidth=1)
    marks = (found for line in scan.lines for found in line)
    for found in (found for found in marks if found.digit is not None or found.is_other):
        rows, columns = found.box
        wide, high = columns.stop - columns.start, rows.stop - rows.start
        corner = (columns.start - 0.5, rows.start - 0.5)  # a pixel's middle is at whole numbers
        if scan.crossings is None:
            axes[0].add_patch(Rectangle(corner, wide, high, fill=False, edgecolor="C1"))
        axes[0].annotate(
            found.name(scan.classes), corner, xytext=(1, 1), textcoords="offset points", color="C0",
            fontweight="bold", fontsize=min(14.0, 72 * 0.5 * high * tall / height),
        )  # fmt: skip
    if scan.class_map is not None:
        strips = scan.class_map.reshape(
            -1, scan.class_map.shape[2]
        )  # a map per class, one below another
        style.bare(axes[1]).imshow(strips, vmin=0, vmax=1, aspect="auto", cmap=style.sequential())
        axes[1].set_title(f"probability of each class at each place, {scan.classes[0]} on top")
        classes, rows_each, _ = scan.class_map.shape
        middles = [rows_each * (k + 0.5) for k in range(classes)]
        axes[1].set_yticks(middles, list(scan.classes))
        for k in range(1, classes):
            axes[1].axhline(rows_each * k - 0.5, color=style.faint(), linewidth=0.5)
    return figure
