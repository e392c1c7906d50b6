"""Errors that a user can mend, which the command line prints without a traceback, and their words.

LenetError
├── UsageError    wrong usage or config: exit code 2, nothing was written
├── DataError     the data are not what they should be: exit code 2, nothing was written
└── RunError      the work itself failed: exit code 1
    └── DivergedError   training blew up
"""

import difflib
import errno
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class LenetError(Exception):
    """Base of all errors that are explained to the user in a sentence."""

    exit_code = 1


class UsageError(LenetError):
    """A command or config asks for something impossible.

    Attributes:
        path: Where in the config it stands, e.g. ``("augment", 0, "RandomAffine", "degrees")``,
            or None if no config key is to blame. The config reader turns it into file:line:column.
    """

    exit_code = 2

    def __init__(self, message: str, path: tuple[str | int, ...] | None = None) -> None:
        super().__init__(message)
        self.path = path


@contextmanager
def blaming(*section: str) -> Iterator[None]:
    """Let the paths of usage errors begin with a section of the config."""
    try:
        yield
    except UsageError as error:
        raise UsageError(str(error), (*section, *(error.path or ()))) from error


class DataError(LenetError):
    """A file of a dataset is damaged, or another than it is taken for."""

    exit_code = 2


class RunError(LenetError):
    """Data, files, device or training failed in a way that the user should know about."""


class DivergedError(RunError):
    """A loss or a weight is not finite: the steps were too large."""


def nearest(word: str, known: Iterable[str], otherwise: str | None = None, prefix: str = "") -> str:
    """Return advice on an unknown word: the nearest of the known ones or, if none is near, all.

    Args:
        word: What was written.
        known: What could have been meant.
        otherwise: The advice if no word is near, instead of the list of all.
        prefix: What precedes the known word where it is used.
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {prefix + near[0]!r}?"
    return otherwise or f"it is one of {', '.join(known)}"


def how_to_install(extra: str) -> str:
    """Say how the packages of an extra get into this installation of lenet.

    A clone has a script for it. Elsewhere the packages are named, for lenet itself is in no index.
    """
    if (Path(__file__).parent.parent / "scripts" / "install").is_file():
        return f"`scripts/install {extra}` in the clone installs what it needs"
    from importlib import metadata  # takes its time

    needs = metadata.requires("lenet") or []
    needs = [need for need in needs if re.search(f"extra == .{extra}.", need)]
    packages = [re.split(r"[;\s]", need)[0] for need in needs]
    return f"`{shell('pip', 'install', *packages)}` installs what it needs"


def count(n: float, noun: str) -> str:
    """Write a number with its noun, in the plural unless it is one: ``1 error``, ``2 errors``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def with_article(word: str) -> str:
    """Write a word, or a number in digits, with its indefinite article: ``a 7``, ``an 8``."""
    vowel = word[:1].lower() in "aeiou8" or word in ("11", "18")
    return f"{'an' if word and vowel else 'a'} {word}"


def name_class(name: str) -> str:
    """Write a class's name within a sentence: ``a 7``, ``an 8``, but ``“shirt”``."""
    return with_article(name) if name.isdecimal() else f"“{name}”"


def expand(path: str | Path) -> Path:
    """Return a path with the home folder for its ``~``; that of a user who does not exist stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (Path.expanduser raises there)


def printable(name: str | Path) -> str:
    """Write the name of a file so that it can be drawn and encoded, whatever bytes it has."""
    return str(name).encode(errors="backslashreplace").decode()


def read_plain(path: Path, max_bytes: int) -> bytes:
    """Read an ordinary file that is no larger than it may be; see `check_plain`.

    Raises:
        OSError: It cannot be read, is no ordinary file, or is larger; `strerror` is a sentence.
    """
    check_plain(path)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:  # also what a system makes up, as in /proc
            content = stream.read(max_bytes + 1)
        else:
            content = stream.read() if size <= max_bytes else b""
    if size > max_bytes or len(content) > max_bytes:
        has = f"{size:,} bytes, more than" if size > max_bytes else "more bytes than"
        raise OSError(errno.EFBIG, f"it has {has} the {max_bytes:,} allowed", str(path))
    return content


def explain(error: Exception) -> str:
    """Return what an error says, without the number and the path that Python puts around it."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def check_plain(path: Path) -> None:
    """Refuse what is no ordinary file: pipes and devices may keep one waiting, or go on, for ever.

    Raises:
        OSError: It is none, or not there; `strerror` is a sentence.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a name with a null character
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe, a device or the like, no file", str(path))


def shell(*words: str | Path) -> str:
    """Write a command as it can be pasted into a shell."""
    return shlex.join(map(str, words))
