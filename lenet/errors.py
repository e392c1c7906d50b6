"""Errors that a user can mend; the command line prints them without a traceback.

LenetError
├── UsageError    wrong usage or config: exit code 2, nothing was written
├── DataError     the data are not what they should be: exit code 2, nothing was written
└── RunError      the work itself failed: exit code 1
    └── DivergedError   training blew up
"""

import difflib
from collections.abc import Iterable


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
