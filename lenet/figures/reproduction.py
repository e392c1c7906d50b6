"""Studies as pictures: the 1998 paper's Figures 6 and 9 with ours beside them, and bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lenet.figures import style
from lenet.figures.curves import draw_curves
from lenet.figures.ladder import draw_steps
from lenet.figures.subject import UnfitError
from lenet.runs.run import Run
from lenet.studies.beyond import BEYOND
from lenet.studies.figure9 import FIGURE9, sort_runs, train_percent
from lenet.studies.frontier import CLAIMS, FRONTIER, Claim, count_parameters
from lenet.studies.study import Measured, Study

FIGURE_6 = {"lenet5-15k": 15, "lenet5-30k": 30, "lenet5": 60}
"""Training images, in thousands, of the rows without distortions."""


def draw_study(study: Study, measured: Sequence[Measured]) -> dict[str, Figure]:
    """Draw rows of a study, at least one; return each figure by the name of its file."""
    if study.name == BEYOND.name:
        return {study.name: draw_beyond({m.row.label: study.details(m) for m in measured})}
    if study.name == FRONTIER.name:
        return {study.name: draw_frontier(measured)}
    if study.name != FIGURE9.name:
        steps = [(m.row.label, m.errors) for m in measured]
        return {study.name: draw_steps(steps, [m.n for m in measured], study.name)}
    figures = {"figure9": draw_bars(measured)}
    if any(m.row.name in FIGURE_6 for m in measured):
        figures["figure6"] = draw_sizes(measured)
    for m in measured:
        if m.row.name == "lenet5":
            figures["figure5"] = draw_curves(m.runs)
    return figures


def draw_beyond(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw what networks get wrong in sets of other people's digits, a dot per seed.

    Args:
        rows: Label → name of the set → ``wrong`` of each seed, and ``n``.
    """
    figure = style.new_figure(1.2 + 0.35 * len(rows), "Other people's digits")
    axes = figure.subplots()
    names = list(next(iter(rows.values())))
    for number, name in enumerate(names):
        dots = [
            (100 * wrong / sets[name]["n"], place + 0.1 * (number - (len(names) - 1) / 2))
            for place, sets in enumerate(rows.values())
            for wrong in sets[name]["wrong"]
        ]
        axes.plot(*zip(*dots, strict=True), "o", markersize=3, color=f"C{number}", label=name)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    style.write_ticks(axes.xaxis, " %")
    axes.set_xlabel("error rate; dots are seeds")
    figure.legend(loc="outside upper right", ncols=4)
    return figure


def draw_frontier(measured: Sequence[Measured]) -> Figure:
    """Draw errors against parameters: ours with their spread, others', hollow where watched."""
    figure = style.new_figure(4.4, "Test errors by number of parameters")
    axes = figure.subplots()
    for watched, label in ((False, "others"), (True, "others, chosen by test errors")):
        claims = [claim for claim in CLAIMS if claim.watched == watched]
        axes.plot(
            [claim.parameters for claim in claims],
            [claim.errors for claim in claims],
            "s",
            color=style.faint(),
            mfc="none" if watched else None,
            markersize=5,
            label=label,
        )
    for ensemble, label in ((False, "ours, mean ± sd over seeds"), (True, "ours, five together")):
        rows = [m for m in measured if m.row.ensemble == ensemble]
        axes.errorbar(
            [count_parameters(m) for m in rows],
            [m.summary.mean for m in rows],
            yerr=[m.summary.sd or 0.0 for m in rows],
            fmt="D" if ensemble else "o",
            color="C1" if ensemble else "C0",
            capsize=2,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.12)
    axes.set_xlabel("parameters")
    axes.set_ylabel("errors of 10,000")
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_minor_formatter("{x:.0f}")
    figure.legend(loc="outside upper right", ncols=2)
    ours = [
        style.Point(m.row.label, count_parameters(m), m.summary.mean, m.summary.sd or 0.0)
        for m in measured
    ]
    theirs = [
        style.Point(_author(claim), claim.parameters, claim.errors, faintly=True)
        for claim in CLAIMS
    ]
    style.label_points(axes, ours + theirs)
    return figure


def _author(claim: Claim) -> str:
    return claim.source.partition(",")[0].partition("/")[0]


def draw_figure9(runs: Sequence[Run]) -> Figure:
    """Draw test errors of the networks of 1998 beside those that the paper's Figure 9 gives.

    Raises:
        UnfitError: No finished run is one of a config in ``paper/``.
    """
    measured = sort_runs(runs)
    if not measured:
        raise UnfitError(
            "figure9 needs finished runs of a config in paper/; the figure `curves`"
            " compares any experiments"
        )
    return draw_bars(measured)


def draw_figure6(runs: Sequence[Run]) -> Figure:
    """Draw LeNet-5's test errors by number of training images, beside the paper's Figure 6.

    Raises:
        UnfitError: No finished run is one of a config in `FIGURE_6`.
    """
    measured = sort_runs(runs)
    if not any(m.row.name in FIGURE_6 for m in measured):
        raise UnfitError(
            f"figure6 needs finished runs of paper/{', paper/'.join(FIGURE_6)};"
            " the figure `curves` fits any run"
        )
    return draw_sizes(measured)


def draw_bars(measured: Sequence[Measured]) -> Figure:
    """Draw test errors in the manner of Figure 9: a bar for the paper's, one for ours.

    Args:
        measured: At least one row.
    """
    figure = style.new_figure(0.9 + 0.45 * len(measured), "Test error rate, the paper's and ours")
    axes = figure.subplots()
    places = np.arange(len(measured))[::-1]
    paper = [m.row.paper_percent or 0.0 for m in measured]
    ours = [m.percent.mean for m in measured]
    spread = [m.percent.sd or 0.0 for m in measured]
    axes.barh(places + 0.2, paper, 0.38, color=style.tint(style.faint(), 0.4), label="paper")
    axes.barh(places - 0.2, ours, 0.38, color="C0", label="ours, mean ± sd over seeds")
    axes.errorbar(ours, places - 0.2, xerr=spread, fmt="none", ecolor=style.foreground(), capsize=2)
    for place, p, o, s in zip(places, paper, ours, spread, strict=True):
        for percent, end in ((p, (p, place + 0.2)), (o, (o + s, place - 0.2))):
            axes.annotate(
                f"{percent:.2f} %", end, xytext=(5, 0), textcoords="offset points", va="center",
                fontsize=8,
            )  # fmt: skip
    axes.set_yticks(places, [m.row.label for m in measured])
    style.write_ticks(axes.xaxis, " %")
    axes.set_xlabel("test error rate")
    axes.set_xlim(0, 1.12 * max(*paper, *ours))
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper right", ncols=2)  # bars leave no room inside
    return figure


def draw_sizes(measured: Sequence[Measured]) -> Figure:
    """Draw LeNet-5's errors by number of training images, as in Figure 6.

    Args:
        measured: Rows of which at least one is a key of `FIGURE_6`.
    """
    rows = {m.row.name: m for m in measured}
    found = [(size, rows[name]) for name, size in FIGURE_6.items() if name in rows]
    sizes = [size for size, _ in found]
    figure = style.new_figure(3.6, "LeNet-5: error rate by number of training images")
    axes = figure.subplots()
    paper = [m.row.paper_percent or 0.0 for _, m in found]
    axes.plot(sizes, paper, "o--", color=style.faint(), label="paper: test")
    axes.errorbar(
        sizes,
        [m.percent.mean for _, m in found],
        yerr=[m.percent.sd or 0.0 for _, m in found],
        fmt="o-",
        color=style.SPLIT_COLOURS["test"],
        capsize=2,
        label="ours: test",
    )
    axes.plot(
        sizes,
        [train_percent(m) for _, m in found],
        "s-",
        color=style.SPLIT_COLOURS["train"],
        label="ours: training",
    )
    distorted = rows.get("lenet5-distorted")
    if distorted is not None:
        for percent, colour, whose in (
            (distorted.row.paper_percent or 0.0, style.faint(), "paper"),
            (distorted.percent.mean, "C0", "ours"),
        ):
            axes.plot([60], [percent], "s", color=colour, mfc="none", label=f"{whose}: distorted")
    axes.set_xlabel("training images, thousands")
    style.write_ticks(axes.yaxis, " %")
    axes.set_ylabel("error rate")
    axes.set_xlim(0, 66)
    axes.set_ylim(0, None)
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(sorted(zip(labels, handles, strict=True)))  # or error bars come last
    figure.legend(by_label.values(), by_label.keys(), loc="outside right upper")
    return figure
