"""What the shell completes; no torch is imported for it.

A completer takes what was typed of a word and returns the words it may become. Where it returns
none, shells complete the names of files.
"""

import json
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import typer

from lenet.cli.source import read_table
from lenet.errors import LenetError

SPLIT = (":", "=")
"""Where bash divides a word into several."""


@contextmanager
def whole_words(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Undo that bash divides ``published:lenet5`` and ``train.epochs=3`` into three words.

    While a shell asks for completions, its words are joined again, and what bash will not replace
    is cut from the answers.
    """
    if environment.get("_LENET_COMPLETE") != "complete_bash":
        yield
        return
    words = environment["COMP_WORDS"].split("\n")[: int(environment["COMP_CWORD"]) + 1]
    joined: list[str] = []
    for before, word in pairwise(["", *words]):
        if joined and (before in SPLIT or word in SPLIT):
            joined[-1] += word
        else:
            joined.append(word)
    environment.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))
    last, end = joined[-1], "" if words[-1] in SPLIT else words[-1]
    kept = last.removesuffix(end) if last != words[-1] else ""
    answers = StringIO()
    try:
        with redirect_stdout(answers):
            yield
    finally:
        for answer in answers.getvalue().splitlines():
            print(answer.removeprefix(kept))


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Return a completer of fixed words."""

    def complete(incomplete: str) -> list[str]:
        return _matching(words, incomplete)

    return complete


def complete_config(incomplete: str) -> list[str]:
    """Complete the name of a config that comes with the project."""
    from lenet.config.load import config_names

    return _matching(config_names(), incomplete)


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete ``KEY=VALUE``: a key of the command's config, then its values, or the one it has."""
    from lenet.config.load import flatten_config, load_config
    from lenet.config.schema import Config

    # An option without its value leaves the words before it unparsed.
    given = [word for word in (ctx.params.get("config"), *ctx.args) if word]
    try:
        config = load_config(given[0] if given else "quickstart").config
    except LenetError:
        return []
    values = flatten_config(config)
    keys = [key for key in values if f"{key}=".startswith(incomplete)]
    keys = keys or [key for key in values if incomplete.startswith(f"{key}=")]
    if len(keys) > 1:
        return _matching([f"{key}=" for key in keys], incomplete)
    found: list[str] = []
    for key in keys:
        section: Any = config
        *parents, last = key.split(".")
        for parent in parents:
            section = getattr(section, parent, None)
        field = getattr(type(section), "model_fields", {}).get(last)
        legal = [*_words(field.annotation)] if field else []
        if last == "kind":  # what a section of the config may be
            union = Config.model_fields[parents[-1]].annotation
            legal = [
                w for kind in get_args(union) for w in _words(kind.model_fields[last].annotation)
            ]
        value = values[key]
        legal = legal or [value if isinstance(value, str) else json.dumps(value)]
        found += [f"{key}={word}" for word in legal]
    return _matching(found, incomplete)


def _words(annotation: Any) -> Iterator[str]:
    """Yield the words that a field may be, if these are all it may be."""
    if annotation is bool:
        yield from ("true", "false")
    for member in get_args(annotation):
        if isinstance(member, str):
            yield member
        elif member is not type(None):
            yield from _words(member)


def complete_run(incomplete: str) -> list[str]:
    """Complete a run or an experiment below ``runs``, or one that is published."""
    from lenet.runs.find import PREFIX, find_runs, locate, published_names
    from lenet.runs.history import find_folders

    folders = sorted(find_folders(Path("runs"))) if Path("runs").is_dir() else []
    found = _matching(dict.fromkeys(folder.parent.as_posix() for folder in folders), incomplete)
    if len(found) < 2:
        found += _matching([folder.as_posix() for folder in folders], incomplete)
    if found and not incomplete:
        return found
    published = [PREFIX + name for name in published_names()]
    experiment = incomplete.rpartition("/")[0]
    if experiment in published:
        published += [f"{experiment}/{run.seed}" for run in find_runs(locate(experiment))]
    return found + _matching(published, incomplete)


def complete_figure(incomplete: str) -> list[str]:
    """Complete a run, or the name of a figure."""
    figures = read_table("lenet.figures", "FIGURES", "COMPARISONS")
    return _matching(figures, incomplete) + complete_run(incomplete)


def complete_format(incomplete: str) -> list[str]:
    """Complete the name of a format that networks are exported to."""
    return _matching(read_table("lenet.export", "FORMATS"), incomplete)


def complete_study(incomplete: str) -> list[str]:
    """Complete the name of a study, or of a row of Figure 9."""
    from lenet.studies import STUDIES
    from lenet.studies.figure9 import FIGURE9

    return _matching([*STUDIES, *(row.name for row in FIGURE9.rows)], incomplete)


def complete_dataset(incomplete: str) -> list[str]:
    """Complete the name of a dataset."""
    from lenet.data.sources import SAMPLE, SOURCES

    return _matching([*SOURCES, SAMPLE], incomplete)
