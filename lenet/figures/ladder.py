"""A ladder of experiments: the test errors after each step."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from lenet.figures import style
from lenet.figures.subject import UnfitError
from lenet.runs.find import group_seeds
from lenet.runs.run import Run
from lenet.statistics import summarize

NEAREST = 0.015
"""Distance of dots side by side, as a share of the largest number."""
LONGEST = 44
"""Characters of a step's name."""
LANE = 0.13
"""Distance of dots one above the other, as a share of that between steps."""


def draw_ladder(runs: Sequence[Run]) -> Figure:
    """Draw the test errors of several experiments, one step each, in the order of their names.

    Raises:
        UnfitError: Fewer than two experiments have a finished run.
    """
    finished = [run for run in runs if run.finished]
    results = {
        name: [run.read_json("result.json") for run in seeds]
        for name, seeds in group_seeds(finished).items()
    }
    if len(results) < 2:
        raise UnfitError("a ladder needs finished runs of two experiments at least")
    sizes = [result["n/test"] for each in results.values() for result in each]
    steps = [(name, [result["errors/test"] for result in each]) for name, each in results.items()]
    return draw_steps(steps, sizes)


def draw_steps(
    steps: Sequence[tuple[str, Sequence[int]]], sizes: Sequence[int], name: str = ""
) -> Figure:
    """Draw test errors, a bar for the mean and a dot for each seed.

    Dots that would lie on one another are set apart.

    Args:
        steps: Name and errors of each seed, from the first step to the last.
        sizes: Test images of the steps; mostly one number.
        name: Of the study.
    """
    of = f"test errors of {sizes[0]:,}" if len(set(sizes)) == 1 else "test errors"
    title = f"{name}: {of}" if name else of.capitalize()
    figure = style.new_figure(1.0 + 0.45 * len(steps), title)
    axes = figure.subplots()
    most = max(max(errors) for _, errors in steps)
    for place, (_, errors) in enumerate(steps):
        axes.barh(place, summarize(errors).mean, height=0.6, color="C0", alpha=0.35)
        lanes = style.set_apart(errors, NEAREST * most)
        axes.plot(errors, [place + LANE * lane for lane in lanes], "o", markersize=4, color="C0")
        axes.annotate(
            str(summarize(errors)) if len(errors) > 1 else f"{errors[0]:,}",
            (max(errors), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(steps)), [style.shorten(name, LONGEST) for name, _ in steps])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    axes.set_xlabel("bars are means over seeds, dots are seeds")
    return figure
