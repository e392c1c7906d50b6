"""Read pictures of single digits with one network or an ensemble."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenet.evaluation.classifier import Ensemble, load_classifier
from lenet.reading.digitize import Digit, Prepared, prepare
from lenet.reading.pictures import STDIN
from lenet.runs.find import open_runs

MANY = 3  # batches: from here on, starting a process per core pays off


@dataclass(frozen=True)
class Reading:
    """What was read in a picture, or why nothing was.

    Attributes:
        path: The picture; ``-`` is standard input.
        digit: What the network saw; None if there was none.
        probabilities: Of the ten digits; empty if there was none.
        complaint: Why the picture could not be read, as a sentence; None if it was.
    """

    path: Path
    digit: Digit | None
    probabilities: tuple[float, ...]
    complaint: str | None

    @property
    def ranking(self) -> list[int]:
        """Digits by probability, the most probable first."""
        return sorted(range(len(self.probabilities)), key=lambda k: -self.probabilities[k])

    def describe(self, reject: float) -> str:
        """One line for the user; below the probability `reject` it says "unsure"."""
        if self.digit is None:
            return f"{self.path}: {self.complaint}"
        first, second = self.ranking[:2]
        sure, next_best = self.probabilities[first], self.probabilities[second]
        verdict = str(first) if sure >= reject else "unsure"
        others = self.digit.others
        marks = f"{others} more mark{'s' if others > 1 else ''} of this size"
        more = f"; {marks}, `lenet scan` reads all" if others else ""
        guess = f"{first} {sure:.1%}, " if verdict == "unsure" else f"{sure:.1%}, "
        return f"{self.path}: {verdict}  ({guess}then {second} {next_best:.1%}{more})"

    def as_dict(self, reject: float) -> dict[str, Any]:
        """The same for machines."""
        if self.digit is None:
            return {"path": str(self.path), "error": self.complaint}
        first, second = self.ranking[:2]
        return {
            "path": str(self.path),
            "digit": first,
            "probability": self.probabilities[first],
            "runner_up": second,
            "runner_up_probability": self.probabilities[second],
            "sure": self.probabilities[first] >= reject,
            "other_marks": self.digit.others,
        }


def load_ensemble(name: str) -> Ensemble:
    """Load the run, or all members of the ensemble, that `name` means.

    Raises:
        UsageError: There is no such run.
        RunError: Weights are missing or damaged.
    """
    return Ensemble([load_classifier(run) for run in open_runs(name)])


def read_digits(
    ensemble: Ensemble,
    paths: Sequence[Path],
    workers: int | None = None,
    batch_size: int = 256,
) -> Iterator[Reading]:
    """Read pictures of one digit each, in their order.

    Args:
        ensemble: Who reads.
        paths: From `lenet.reading.pictures.list_pictures`.
        workers: Processes that prepare many pictures; by default one per core.
        batch_size: Pictures at a time.

    Yields:
        One reading per path, those that failed with their complaint.
    """
    chunks = [paths[i : i + batch_size] for i in range(0, len(paths), batch_size)]
    for prepared in _prepare_all(chunks, workers):
        found = [digit for _, digit, _ in prepared if digit is not None]
        shares: Iterator[list[float]] = iter(())
        if found:
            ink = torch.from_numpy(np.stack([digit.ink for digit in found]))[:, None]
            shares = iter(ensemble.recognize(ink).tolist())
        for path, digit, complaint in prepared:
            yield Reading(path, digit, tuple(next(shares)) if digit else (), complaint)


def _prepare_all(chunks: Sequence[Sequence[Path]], workers: int | None) -> Iterator[list[Prepared]]:
    if len(chunks) < MANY or workers == 1 or any(STDIN in chunk for chunk in chunks):
        yield from map(prepare, chunks)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them wait for work on the cores that the workers need
    try:
        # Spawned, not forked: torch's threads do not survive a fork.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(prepare, chunks)
    finally:
        torch.set_num_threads(threads)
