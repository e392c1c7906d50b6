"""The figures of runs, as files."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lenet.errors import RunError, UsageError
from lenet.figures import COMPARISONS, FIGURES, style
from lenet.figures.subject import Subject, UnfitError
from lenet.runs.files import check_output
from lenet.runs.find import NoRunError, group_seeds, open_runs
from lenet.runs.run import Run


@dataclass(frozen=True)
class Order:
    """Which figures of which runs to draw."""

    runs: list[Run]
    names: list[str]
    """Keys of `FIGURES` and `COMPARISONS`; empty: all that fit."""

    @classmethod
    def parse(cls, words: Sequence[str]) -> "Order":
        """Sort words into figures and runs; a folder of a figure's name is written ``./name``.

        A folder that is no run stands for all runs in it.

        Raises:
            UsageError: A word is neither a figure nor names runs, a run is damaged, or there is no
                run at all.
        """
        known = FIGURES | COMPARISONS
        names = [word for word in words if word in known]
        runs = [run for word in words if word not in known for run in _open(word)]
        if not runs:
            raise UsageError("no run given: name a run folder, or a folder of runs")
        once = {run.folder.resolve(): run for run in runs}
        return cls(list(once.values()), list(dict.fromkeys(names)))


def _open(word: str) -> list[Run]:
    try:
        return open_runs(word, unfinished=True)
    except NoRunError as error:
        raise UsageError(f"{error}; figures are {', '.join(FIGURES | COMPARISONS)}") from error


def draw_album(
    order: Order,
    *,
    image: int | None = None,
    classes: Sequence[str] = (),
    data: Path | None = None,
    device: str = "cpu",
    to: Path | None = None,
    overwrite: bool = False,
    kind: str = "png",
    theme: str = "light",
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Path]:
    """Draw figures and yield their paths: ``RUN/figures/NAME.png``.

    A figure of several runs goes into the folder that holds them all.

    Args:
        order: What to draw.
        image: The test image that figures of a single image show; None: they choose.
        classes: Names of the classes whose activation maps are shown; empty: they choose.
        data: A folder to look for the dataset in first.
        device: Where to compute.
        to: Put all files here instead; with several runs, the run's name comes first.
        overwrite: Replace files in `to`; those in runs' own folders are always drawn anew.
        kind: One of `style.FORMATS`.
        theme: A key of `style.THEMES`.
        say: Takes a line for each figure that replaces a file, or does not fit a run, unless it was
            asked for.

    Raises:
        UsageError: There is no such image, format or theme, or a file in `to` exists already.
        UnfitError: A figure that was asked for does not fit a run.
        RunError: A run whose figure was asked for is unfinished or damaged, or a file cannot be
            written.
    """
    style.check_theme(theme)
    style.check_suffix(Path(f"picture.{kind}"))
    wanted = order.names or [*FIGURES, *COMPARISONS]

    def write(name: str, draw: Callable[[], Figure], path: Path) -> Iterator[Path]:
        check_output(path, overwrite=overwrite or to is None)
        if path.exists():
            say(f"{path} is replaced")
        try:
            with style.applied(theme):
                style.save(draw(), path)
        except UnfitError as error:
            if order.names:
                raise
            say(f"no figure {name!r}: {error}")
            return
        yield path

    own = [name for name in wanted if name in FIGURES]
    for experiment, seeds in group_seeds(order.runs).items() if own else ():
        for run in seeds:
            try:
                subject = Subject.open(run, data, device)
            except RunError as error:  # unfinished, or kept without weights: it still has curves
                if order.names:
                    raise RunError(f"{error}; the figure `curves` needs no weights") from error
                say(f"only the figures of several runs: {error}")
                continue
            labels = tuple(subject.label_of(name) for name in classes)
            subject = replace(subject, image=image, classes=labels)
            run_name = f"{experiment}/{run.seed}".replace("/", "-")
            prefix = f"{run_name}-" if to and len(order.runs) > 1 else ""
            for name in own:
                path = (to or run.figures) / f"{prefix}{name}.{kind}"
                yield from write(name, partial(FIGURES[name], subject), path)
    if len(order.runs) == 1:
        shared = order.runs[0].figures
    else:
        shared = Path(os.path.commonpath([run.folder.absolute() for run in order.runs])) / "figures"
    if shared.is_relative_to(Path.cwd()):
        shared = shared.relative_to(Path.cwd())
    for name in (name for name in wanted if name in COMPARISONS):
        path = (to or shared) / f"{name}.{kind}"
        yield from write(name, partial(COMPARISONS[name], order.runs), path)
