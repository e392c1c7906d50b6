"""The 1998 paper's Figure 5: errors by epoch, for one or several experiments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from lenet.figures import style
from lenet.figures.subject import UnfitError
from lenet.runs.find import group_seeds
from lenet.runs.run import Run

SPLITS = ("train", "validation", "test")
DASHES: dict[str, Any] = {"train": (0, (1, 1.2)), "validation": (0, (4, 1.5)), "test": "solid"}
MARKERS = "osD^v"
"""Markers tell experiments apart once all seven colours are used."""
FEW = 4
"""Up to this many experiments show training errors, too."""
LONGEST = 28
"""Characters of an experiment's name in the legend."""
WIDE = 200
"""Several experiments' learning rates that differ by more are drawn on a logarithmic axis."""
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Curve:
    """A number by epoch, over the seeds of an experiment."""

    epochs: NDArray[np.int64]
    values: NDArray[np.float64]
    """(seeds, epochs); NaN where a seed has no value."""

    @classmethod
    def of(cls, histories: Sequence[Sequence[dict[str, Any]]], key: str) -> "Curve | None":
        """Collect a metric from the lines of several runs, or return None if none has it."""
        epochs = sorted({m["epoch"] for lines in histories for m in lines if key in m})
        if not epochs:
            return None
        values = np.full((len(histories), len(epochs)), np.nan)
        for row, lines in zip(values, histories, strict=True):
            for metrics in lines:
                if key in metrics:
                    row[epochs.index(metrics["epoch"])] = metrics[key]
        return cls(np.array(epochs), values)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the seeds that have a value."""
        mean: NDArray[np.float64] = np.nanmean(self.values, axis=0)
        return mean

    @property
    def sd(self) -> NDArray[np.float64]:
        """Sample standard deviation over seeds; 0 where a single seed has a value."""
        n = np.isfinite(self.values).sum(0)
        squares = np.nansum((self.values - self.mean) ** 2, axis=0)
        spread: NDArray[np.float64] = np.sqrt(squares / np.maximum(n - 1, 1))
        return spread


def draw_curves(runs: Sequence[Run]) -> Figure:
    """Draw error rates by epoch and, beneath, the learning rate.

    Runs in the same folder are seeds of one experiment: their mean is drawn, with a band of one
    standard deviation to either side. Of more than `FEW` experiments the training errors are left
    out.
    Source: Figure 5 of the 1998 paper.

    Raises:
        UnfitError: No run has finished an epoch.
    """
    found = {
        name: [run.lines("metrics.jsonl") for run in seeds]
        for name, seeds in group_seeds(runs).items()
    }
    experiments = {name: histories for name, histories in found.items() if any(histories)}
    if not experiments:
        raise UnfitError(f"{runs[0].folder}/metrics.jsonl holds no finished epoch to draw")
    several, many = len(experiments) > 1, len(experiments) > FEW
    height = max(4.6, 0.6 + 0.19 * len(experiments)) if many else 4.6
    figure = style.new_figure(height, _title(experiments))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    lowest: list[float] = []
    rates: list[float] = []
    splits = [
        split
        for split in (SPLITS[1:] if many else SPLITS)
        if any(Curve.of(histories, f"accuracy/{split}") for histories in experiments.values())
    ]
    legend = []
    for number, (name, histories) in enumerate(experiments.items()):
        marker = MARKERS[number // 7 % len(MARKERS)]
        if several:
            label, colour = style.shorten(name, LONGEST), f"C{number % 7}"
            legend.append(Line2D([], [], color=colour, marker=marker, markersize=4, label=label))
        for split in splits:
            curve = Curve.of(histories, f"accuracy/{split}")
            if curve is not None:
                colour = f"C{number % 7}" if several else style.SPLIT_COLOURS[split]
                look = {"color": colour, "linestyle": DASHES[split], "marker": marker}
                _draw_curve(above, curve, **look)
                lowest += (1 - curve.mean).tolist()
        rate = Curve.of(histories, "learning_rate")
        if rate is not None:
            colour = f"C{number % 7}" if several else style.faint()
            below.step(rate.epochs, rate.mean, where="mid", color=colour, linewidth=1.4)
            rates += rate.mean.tolist()
    for split in splits:  # beneath the colours of several experiments, how their lines differ
        colour = style.faint() if several else style.SPLIT_COLOURS[split]
        legend.append(Line2D([], [], color=colour, linestyle=DASHES[split], label=split))
    _scale_rates(above, lowest)
    above.set_ylabel("error rate")
    figure.legend(handles=legend, loc="outside right upper")  # where it hides no line
    below.set_ylabel("learning rate")
    above_0 = [rate for rate in rates if rate > 0]
    if len(experiments) > 1 and above_0 and max(above_0) > WIDE * min(above_0):
        below.set_yscale("log")  # on a linear axis the smaller would look like 0
        below.set_ylim(min(above_0) / 2, 2 * max(above_0))
        below.yaxis.set_major_locator(LogLocator(numticks=4))
        below.yaxis.set_minor_locator(NullLocator())
    else:
        # The axis ends at a tick, so that there are two at least.
        ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(0, max(rates, default=1) or 1)
        below.set_ylim(0, 1.05 * ticks[-1])
        below.yaxis.set_major_locator(FixedLocator(ticks))
    style.write_ticks(below.yaxis)
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    return figure


def _scale_rates(axes: Axes, rates: Sequence[float]) -> None:
    """Make the axis of error rates logarithmic, with a linear foot if one of them is 0."""
    least = 100 * min((rate for rate in rates if rate > 0), default=0.01)
    bottom = 0.6 * least  # the lines decide: a band that reaches 0 runs out below
    ticks = [tick for tick in TICKS if tick >= bottom]
    if all(rate > 0 for rate in rates):
        axes.set_yscale("log")
        axes.set_ylim(bottom=bottom)
    else:
        axes.set_yscale("symlog", linthresh=least, linscale=0.4)
        axes.set_ylim(bottom=-0.08 * least, top=max(axes.get_ylim()[1], ticks[0]))
        ticks = [0, *(tick for tick in ticks if tick > 0.99 * least)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    style.write_ticks(axes.yaxis, " %")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _title(experiments: dict[str, list[list[dict[str, Any]]]]) -> str:
    if len(experiments) > 1:
        bands = any(len(histories) > 1 for histories in experiments.values())
        return "Error rate by epoch" + (", mean ± sd over seeds" if bands else "")
    name, histories = next(iter(experiments.items()))
    seeds = f", {len(histories)} seeds, mean ± sd" if len(histories) > 1 else ""
    return f"{name}: error rate by epoch{seeds}"


def _draw_curve(axes: Axes, curve: Curve, **line: Any) -> None:
    """Draw an accuracy as the error rate in per cent."""
    mean, sd = 100 * (1 - curve.mean), 100 * curve.sd
    alone = len(curve.epochs) == 1  # no line leads to it
    axes.plot(curve.epochs, mean, markersize=5 if alone else 2.5, **line)
    if len(curve.values) > 1:
        axes.fill_between(
            curve.epochs, mean - sd, mean + sd, color=line["color"], alpha=0.22, linewidth=0
        )
