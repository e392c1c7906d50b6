"""Which runs a command means: a run's folder, a folder of several seeds, or ``published:NAME``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lenet.config.schema import Config
from lenet.errors import UsageError
from lenet.runs.run import Run, is_run

PREFIX = "published:"
# In an installed package the folder lies inside it, in a checkout beside it.
PLACES = (
    Path(__file__).parent.parent / "published",
    Path(__file__).parent.parent.parent / "runs" / "published",
)


def published_names() -> list[str]:
    """What may follow ``published:``: runs with weights, and folders of several seeds."""
    found = [
        (place, run)
        for place in PLACES
        if place.is_dir()
        for run in find_runs(place)
        if run.has_weights
    ]
    folders = [run.folder.relative_to(place) for place, run in found]
    return sorted({path.as_posix() for folder in folders for path in (folder, folder.parent)})


def find_earlier(name: str, config: Config, key: tuple[str, ...]) -> list[Run]:
    """Return the trained runs from which a run of `config` is to learn; see `open_runs`.

    Args:
        name: As the config names them.
        config: Of the run that is to be trained.
        key: Where the config names them.

    Raises:
        UsageError: There is none, or one has learnt from images that this one holds out.
    """
    try:
        runs = open_runs(name)
    except UsageError as error:
        raise UsageError(str(error), key) from None
    ours = config.data
    for run in runs if ours.validation else ():
        theirs = run.config.data
        if any(
            getattr(theirs, setting) != getattr(ours, setting)
            for setting in ("name", "validation", "validation_split", "split_seed")
        ):
            raise UsageError(f"{run.folder} has learnt from images that are held out here", key)
    return runs


def open_runs(name: str) -> list[Run]:
    """Return the run that is named, or all finished runs below the folder that is.

    Args:
        name: ``runs/quickstart/0`` is one run, ``runs/quickstart`` all its seeds, and
            ``published:lenet5`` what comes with the project.

    Raises:
        UsageError: There is no such run, or none that is finished.
    """
    folder = Path(name)
    if name.startswith(PREFIX):
        wanted = name.removeprefix(PREFIX)
        known = published_names()
        if wanted not in known:
            raise UsageError(f"no published run {wanted!r}; there are {', '.join(known) or 'none'}")
        folder = next(place / wanted for place in PLACES if (place / wanted).is_dir())
    if is_run(folder):
        return [Run.open(folder)]
    members = [run for run in find_runs(folder) if run.finished]
    if not members:
        raise UsageError(f"{name} is no run folder and holds no finished run")
    return members


def find_runs(root: Path) -> list[Run]:
    """Return the readable runs below a folder, by path."""
    found = []
    for path in sorted(root.rglob("config.yaml")):
        try:
            found.append(Run.open(path.parent))
        except UsageError:
            continue
    return found


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
