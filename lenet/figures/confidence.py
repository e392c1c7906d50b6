"""How well calibrated a network is, and what rejecting unsure images gains."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lenet.evaluation.calibration import calibrate, margins, reject
from lenet.figures import style
from lenet.figures.subject import Subject, UnfitError
from lenet.statistics import wilson_interval

TARGET = 0.005
"""Target error rate of the paper's Figure 10."""
STRICT = 0.001
"""Target of networks that reach `TARGET` without rejecting anything."""


def draw_rejection(subject: Subject) -> Figure:
    """Draw the error rate of the accepted images against the share of those rejected.

    Source: Figure 10 of the 1998 paper: how many images must be rejected to get 0.5 % errors. If
    a network has no more than that without rejecting any, the target is 0.1 %.

    Raises:
        UnfitError: The network makes no errors.
    """
    wrong = subject.predictions != subject.test.labels
    if not wrong.any():
        raise UnfitError(
            f"{subject.run.folder}: there are no errors on the test images that rejecting could"
            " avoid; the figure `calibration` fits"
        )
    curve = reject(margins(subject.outputs, subject.classifier.outputs), wrong)
    start = float(curve.error_rate[0])
    target = next((asked for asked in (TARGET, STRICT) if asked < start), start)
    needed = curve.rejected_for(target)
    figure = style.new_figure(
        3.6, f"{subject.name}: {100 * needed:.1f} % rejected leave {100 * target:g} % errors"
    )
    axes = figure.subplots()
    rejected, error_rate = (100 * curve.rejected).numpy(), (100 * curve.error_rate).numpy()
    end = int((curve.errors == 0).nonzero()[0])
    axes.plot(rejected[: end + 1], error_rate[: end + 1], drawstyle="steps-post")
    axes.plot([100 * needed], [100 * target], "o", color="C1", clip_on=False, zorder=3)
    axes.axhline(100 * target, color="C1", linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(
        f"{100 * target:g} % errors at {100 * needed:.1f} % rejected",
        (100 * needed, 100 * target), (8, 8), textcoords="offset points", color="C1",
    )  # fmt: skip
    axes.annotate(  # above the last steps, which rise as fewer images are left
        f"none wrong from {float(rejected[end]):.1f} %",
        (float(rejected[end]), float(error_rate[end // 2 : end + 1].max())), (0, 8),
        textcoords="offset points", ha="right",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        style.write_ticks(axis, " %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rejected: the images whose two best classes differ least")
    axes.set_ylabel("error rate of the accepted")
    return figure


def draw_calibration(subject: Subject) -> Figure:
    """Draw the accuracy against the predicted probability, and a histogram of the latter.

    Bars are 95 % intervals: few images of MNIST are unsure, so most bins are small.
    """
    found = calibrate(subject.probabilities, subject.test.labels)
    bins = len(found.n)
    figure = style.new_figure(
        4.8, f"{subject.name}: expected calibration error {100 * found.expected_error:.2f} %"
    )
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=style.faint(), linewidth=1, label="perfectly calibrated")
    for n, hits, confidence in zip(
        found.n.tolist(), found.hits.tolist(), found.confidence.tolist(), strict=True
    ):
        if n:
            low, high = wilson_interval(hits, n)
            above.plot([confidence] * 2, [low / n, high / n], color="C0", linewidth=1.2)
            above.plot([confidence], [hits / n], "o", color="C0", clip_on=False, zorder=3)
    above.plot([], [], "o-", color="C0", linewidth=1.2, label="accuracy, 95 % CI")
    edges = [i / bins for i in range(bins)]
    below.bar(edges, found.n.tolist(), 1 / bins, align="edge", color="C0", edgecolor=style.paper())
    below.set_yscale("log")
    style.write_ticks(below.yaxis)
    for axis in (above.yaxis, below.xaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.set_ylabel("accuracy")
    figure.legend(loc="outside upper right", ncols=2)
    below.set_ylabel("images")
    below.set_xlabel("probability of the predicted class")
    return figure
