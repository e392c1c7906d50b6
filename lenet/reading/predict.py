"""Read pictures of single digits with one network or an ensemble."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenet.data.pictures import STDIN, Picture
from lenet.data.sources import DIGITS, Description
from lenet.evaluation.classifier import Ensemble, load_classifier
from lenet.reading.digitize import Digit, Prepared, prepare
from lenet.reading.refusal import NO_DIGIT, share_other
from lenet.runs.find import open_runs

MANY = 3  # batches: from this many on, starting a process per core pays off
NO_DIGIT_FOUND = "no digit: a letter or another sign, a scribble, or digits that touch"


@dataclass(frozen=True)
class Reading:
    """The digit read in a picture, or the reason why none was.

    Attributes:
        path: The picture's file; ``-`` is standard input, None an array.
        seen: The network's input; None if no digit was found.
        probabilities: Of the classes; empty if no digit was found. Those of the ten digits and
            `no_digit` are 1 together.
        complaint: Why there is no digit, as a sentence; None if there is one.
        classes: The classes' names, in the order of the probabilities.
        no_digit: The probability that it shows none, but a letter, say.
    """

    path: Path | None
    seen: Digit | None
    probabilities: tuple[float, ...]
    complaint: str | None
    classes: tuple[str, ...] = DIGITS
    no_digit: float = 0.0

    @property
    def is_other(self) -> bool:
        """Whether something was found, and rejected as not a digit."""
        return self.no_digit >= NO_DIGIT

    @property
    def label(self) -> str | None:
        """The name of the most probable class, "no digit", or None if nothing was found."""
        if self.is_other:
            return "no digit"
        return None if self.digit is None else self.classes[self.digit]

    @property
    def ranking(self) -> list[int]:
        """Classes by probability, the most probable first."""
        return sorted(range(len(self.probabilities)), key=lambda k: -self.probabilities[k])

    @property
    def digit(self) -> int | None:
        """The most probable class by its number, for digits the digit, or None if none was read."""
        return None if self.seen is None or self.is_other else self.ranking[0]

    @property
    def probability(self) -> float:
        """The probability of `digit`, or that there is none; 0 if nothing was read."""
        return self.no_digit if self.is_other else max(self.probabilities, default=0.0)

    def __str__(self) -> str:
        return self.describe()

    def describe(self, reject: float = 0.0) -> str:
        """Return one line for the user; below the probability `reject` it says "unsure"."""
        name = self.path or "array"
        if self.seen is None:
            return f"{name}: {self.complaint}"
        first, second = self.ranking[:2]
        sure, next_best = self.probabilities[first], self.probabilities[second]
        best, next_name = self.classes[first], self.classes[second]
        verdict, then = best if sure >= reject else "unsure", "then"
        if self.is_other:
            return f"{name}: {self.label}  ({100 * self.no_digit:.1f} %, nearest {best})"
        if self.no_digit > next_best:
            then, next_name, next_best = "or", "no digit", self.no_digit
            verdict += "?" if next_best > sure and verdict == best else ""
        others = self.seen.others
        marks = f"{others} more mark{'s' if others > 1 else ''} of this size"
        more = f"; {marks}, `lenet scan` reads all" if others else ""
        guess = f"{best} {100 * sure:.1f} %" if verdict == "unsure" else f"{100 * sure:.1f} %"
        return f"{name}: {verdict}  ({guess}, {then} {next_name} {100 * next_best:.1f} %{more})"

    def as_dict(self, reject: float) -> dict[str, Any]:
        """Return the reading for JSON."""
        if self.seen is None:
            return {"path": str(self.path), "error": self.complaint}
        first, second = self.ranking[:2]
        if self.is_other:
            second = first
        return {
            "path": str(self.path),
            ("digit" if self.classes == DIGITS else "class"): self._json(self.digit),
            "probability": self.probability,
            "runner_up": self._json(second),
            "runner_up_probability": self.probabilities[second],
            "sure": self.probability >= reject,
            "other_marks": self.seen.others,
        }

    def _json(self, label: int | None) -> int | str | None:
        """Return a digit as a number, another class by its name."""
        return label if label is None or self.classes == DIGITS else self.classes[label]


def load_ensemble(name: str, *, lines: bool = False) -> Ensemble:
    """Load the run, or all networks of the ensemble, of a name.

    Args:
        name: A run's folder, a folder of several seeds, or ``published:NAME``.
        lines: Whether they may read lines; see `load_classifier`.

    Raises:
        UsageError: There is no such run, or it reads lines and may not.
        RunError: Weights are missing or damaged.
    """
    return Ensemble([load_classifier(run, lines=lines) for run in open_runs(name)])


def read_digits(
    network: Callable[[Tensor], Tensor],
    pictures: Sequence[Path | Picture],
    workers: int | None = None,
    batch_size: int = 256,
    data: Description | None = None,
) -> Iterator[Reading]:
    """Read pictures of one digit each, in their order.

    Args:
        network: A `Classifier` or an `Ensemble`.
        pictures: Files, as from `lenet.data.pictures.list_pictures`, or arrays (H, W, 1 or 3).
        workers: Processes that prepare many pictures; by default one per core.
        batch_size: Pictures at a time.
        data: What the network learned from; None: MNIST.

    Yields:
        One reading per picture; failed ones have a complaint.
    """
    chunks = [pictures[i : i + batch_size] for i in range(0, len(pictures), batch_size)]
    whole = (data.size, data.channels) if data and data.whole_pictures else None
    classes = data.classes if data else DIGITS
    for prepared in _prepare_all(chunks, workers, whole):
        found = [seen for _, seen, _ in prepared if seen is not None]
        shares: Iterator[tuple[list[float], float]] = iter(())
        if found:
            ink = torch.from_numpy(np.stack([seen.ink for seen in found]))  # (B, 28, 28)
            other = share_other(ink, data)
            digits = network(ink).cpu() * (1 - other)[:, None]
            shares = zip(digits.tolist(), other.tolist(), strict=True)
        for path, seen, complaint in prepared:
            of_classes, no_digit = next(shares) if seen else ([], 0.0)
            if no_digit >= NO_DIGIT:
                complaint = NO_DIGIT_FOUND
            yield Reading(path, seen, tuple(of_classes), complaint, classes, no_digit)


def _prepare_all(
    chunks: Sequence[Sequence[Path | Picture]],
    workers: int | None,
    whole: tuple[int, int] | None,
) -> Iterator[list[Prepared]]:
    from_stdin = any(isinstance(given, Path) and given == STDIN for given in chain(*chunks))
    if len(chunks) < MANY or workers == 1 or from_stdin:
        yield from map(partial(prepare, whole=whole), chunks)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # idle threads would take cores from the workers
    try:
        # Spawned, not forked: torch's threads do not survive a fork.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(partial(prepare, whole=whole), chunks)
    finally:
        torch.set_num_threads(threads)
