"""Errors against shift, rotation, scale, shear, noise, occlusion and contrast."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from lenet.evaluation.robustness import Measurement
from lenet.figures import style


def draw_robustness(measurements: Sequence[Measurement]) -> Figure:
    """Draw a panel per distortion and a line per experiment, the mean over its seeds."""
    names = list(dict.fromkeys(m.distortion for m in measurements))
    rows = -(-len(names) // 2)
    figure = style.new_figure(
        2.1 * rows + 0.6, f"Error rate of {measurements[0].n:,} distorted test images"
    )
    panels = figure.subplots(rows, 2, squeeze=False, sharey=True)
    for axes, name in zip(panels.flat, names, strict=False):
        shown = [m for m in measurements if m.distortion == name]
        for number, m in enumerate(shown):
            axes.plot(m.amounts, m.percents, f"C{number % 7}o-", markersize=3, label=m.experiment)
        first = shown[0]
        if first.claim is not None:
            axes.axvline(first.claim, color=style.faint(), linewidth=0.8, linestyle=(0, (4, 2)))
        if first.amounts[-1] < first.amounts[0]:
            axes.invert_xaxis()
        axes.set_title(f"{name}, {first.unit}")
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 25, 50, 75, 100], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    handles = panels[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", ncols=2)
    figure.supxlabel("dashed: the 1998 paper says that LeNet-5 recognizes characters up to here",
                     fontsize=7)  # fmt: skip
    return figure
