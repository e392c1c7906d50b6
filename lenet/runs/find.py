"""Which runs a command means: a run's folder, a folder of several seeds, or ``published:NAME``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lenet.config.schema import Config, Data
from lenet.data.sources import FILES, SAMPLE, describe_dataset
from lenet.errors import LenetError, UsageError, count, nearest, shell
from lenet.runs.published import PublishedExperiment
from lenet.runs.run import Run, is_published, is_run

PREFIX = "published:"
INSTALLED = Path(__file__).parent.parent / "published"
"""The published experiments that an installed package brings along: a few."""
CLONED = Path(__file__).parent.parent.parent / "runs" / "published"
"""The published experiments of a clone: all."""
PLACES = (INSTALLED, CLONED)


class NoRunError(UsageError):
    """A name does not name any run."""


def published_names() -> list[str]:
    """Return the experiments that may follow ``published:``."""
    files = [(place, file) for place in PLACES for file in place.rglob("results.jsonl")]
    return sorted({file.parent.relative_to(place).as_posix() for place, file in files})


def find_earlier(
    name: str, config: Config, key: tuple[str, ...], *, same_classes: bool = True
) -> list[Run]:
    """Return the trained runs from which a run of `config` is to learn; see `open_runs`.

    Args:
        name: As the config names them.
        config: Of the run that is to be trained.
        key: Where the config names them.
        same_classes: Whether they must know the same classes, in images of as many channels.

    Raises:
        UsageError: There is none, one has learned from images that this one holds out, or its
            classes or channels are others.
    """
    try:
        runs = open_runs(name)
    except UsageError as error:
        raise UsageError(str(error), key) from None
    for run in runs:
        if held_out := _held_out(run.config.data, config.data):
            raise UsageError(f"{run.folder} has learned from images that are {held_out} here", key)
        if same_classes:
            theirs, ours = (describe_dataset(c.data) for c in (run.config, config))
            if theirs.classes != ours.classes:
                raise UsageError(f"{run.folder} knows other classes than there are here", key)
            if theirs.channels != ours.channels:
                raise UsageError(
                    f"{run.folder} sees {count(theirs.channels, 'channel')}, not {ours.channels}",
                    key,
                )
    return runs


def _held_out(theirs: Data, ours: Data) -> str | None:
    """Name the images that are held out here and that a run of `theirs` has learned from, if any.

    Args:
        theirs: The images of a run that is trained.
        ours: Those of one that is to learn from it.
    """
    if theirs.name == ours.name == FILES:
        if theirs.path != ours.path:
            return None
        if (theirs.test_share, theirs.split_seed) != (ours.test_share, ours.split_seed):
            return "test images"
    elif theirs.name != ours.name and {theirs.name, ours.name} != {"mnist", SAMPLE}:
        return None
    if ours.validation and any(
        getattr(theirs, setting) != getattr(ours, setting)
        for setting in ("name", "validation", "validation_split", "split_seed")
    ):
        return "validation images"
    return None


def pick_seed(runs: Sequence[Run], seed: int, name: str, key: tuple[str, ...]) -> Run:
    """Return the run of a seed, or the only one there is.

    Args:
        runs: Those that `name` means, at least one.
        seed: Of the run that is to learn from it.
        name: As the config names them.
        key: Where the config names them.

    Raises:
        UsageError: There are several, and none of that seed.
    """
    same = runs if len(runs) == 1 else [run for run in runs if run.seed == seed]
    if not same:
        seeds = ", ".join(str(run.seed) for run in runs)
        raise UsageError(
            f"{name} has no run of seed {seed}, only of {seeds}: name one of them, {name}/"
            f"{runs[0].seed}",
            key,
        )
    return same[0]


def locate(name: str) -> Path:
    """Return the folder that a name means: a path as it is, or that of ``published:NAME``.

    ``published:`` alone is the folder of all that is published.

    Raises:
        UsageError: Nothing of this name is published; the message names the nearest.
    """
    if not name.startswith(PREFIX):
        return Path(name)
    wanted = name.removeprefix(PREFIX)
    if not wanted:
        return _from_here(CLONED if CLONED.is_dir() else INSTALLED)
    folder = Path(wanted)
    known = published_names()
    experiment = folder.parent.as_posix() if folder.name.isdecimal() else wanted
    for place in PLACES:
        # A folder of several experiments can be named too: published:ladder.
        if (
            any(other == experiment or other.startswith(f"{experiment}/") for other in known)
            and (place / experiment).is_dir()
        ):
            return _from_here(place / folder)
    if CLONED.is_dir():
        advice = nearest(experiment, known, f"`lenet runs {PREFIX}` lists them")
        raise NoRunError(f"no published run {wanted!r}; {advice}")
    raise NoRunError(
        f"no published run {wanted!r} is installed, only {', '.join(known) or 'none'};"
        " the project's repository has all, in runs/published; name a folder there"
    )


def _from_here(path: Path) -> Path:
    """Return a path from the current folder if it lies below, as people write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def name_run(run: Run) -> str:
    """Return the name by which commands find a run: ``runs/a/0``, ``published:lenet5/0``."""
    folder = run.folder.absolute()
    for place in PLACES:
        if folder.is_relative_to(place):
            return PREFIX + folder.relative_to(place).as_posix()
    return str(run.folder)


def open_runs(name: str, *, unfinished: bool = False) -> list[Run]:
    """Return the run that is named, or the runs below the folder that is.

    Args:
        name: ``runs/quickstart/0`` is one run, ``runs/quickstart`` all its seeds, and
            ``published:lenet5`` or ``published:lenet5/0`` what comes with the project.
        unfinished: Whether unfinished runs below a folder count too; one that is named itself
            always does.

    Raises:
        UsageError: There is no such run, none that is finished, or the config of one is damaged.
    """
    folder = locate(name)
    found = find_runs(folder, strict=True)
    wanted = [run for run in found if unfinished or run.finished or is_run(folder)]
    if wanted:
        return wanted
    if found:
        raise UsageError(
            f"{name} holds no finished run; `{shell('lenet', 'resume', name)}` continues it"
        )
    if is_published(folder.parent):
        seeds = ", ".join(str(run.seed) for run in find_runs(folder.parent))
        raise NoRunError(f"{name}: there is no such seed; there are {seeds}")
    raise NoRunError(f"{name} is neither a run nor a folder of runs")


def find_runs(root: Path, *, strict: bool = False) -> list[Run]:
    """Return the runs that a path means, by folder and seed.

    Args:
        root: A run; an experiment, published or not, for its seeds; or any folder, for all below.
        strict: Whether a run that cannot be read is an error; it is left out otherwise.

    Raises:
        UsageError: `strict`, and the config of a run is damaged.
        RunError: `strict`, and the seeds of a published experiment are damaged.
    """
    if root.name.isdecimal() and is_published(root.parent):
        return [run for run in find_runs(root.parent, strict=strict) if run.seed == int(root.name)]
    found: list[Run] = []
    for file in [root / "config.yaml"] if is_run(root) else root.rglob("config.yaml"):
        folder = file.parent
        try:
            if is_published(folder):
                found += PublishedExperiment.open(folder).runs
            else:
                found.append(Run.open(folder))
        except LenetError:
            if strict:
                raise
    return sorted(found, key=lambda run: (run.folder.parent, run.seed))


def group_seeds(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return runs by experiment, in the order of its name; runs in one folder are its seeds.

    An experiment has its folder's name; where two have the same, as many of the folders above come
    first as tell them apart: ``paper/lenet5``.
    """
    folders = {run.folder.absolute().parent for run in runs}
    names = {folder: folder.name for folder in folders}
    depth = 1
    while doubled := {name for name, n in Counter(names.values()).items() if n > 1}:
        depth += 1
        for folder in folders:
            if names[folder] in doubled:
                names[folder] = "/".join(folder.parts[-depth:])
    groups = {name: [r for r in runs if r.folder.absolute().parent == folder]
              for folder, name in names.items()}  # fmt: skip
    return {name: sorted(groups[name], key=lambda run: run.seed) for name in sorted(groups)}
