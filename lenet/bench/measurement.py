"""Rates measured in turn, so that a change of the machine's speed affects all alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lenet.tables import BEST, Table


@dataclass(frozen=True)
class Row:
    """The rates of one piece of work."""

    name: str
    images_per_second: list[float]
    """One rate per round."""

    @property
    def median(self) -> float:
        """The middle rate, in images/s."""
        return median(self.images_per_second)

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {"name": self.name, "median": self.median, "rounds": self.images_per_second}


def take_turns(
    work: dict[str, Callable[[], float]],
    rounds: int,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Run each piece of work in turn, `rounds` times after a warm-up.

    Args:
        work: Name → function that does the work and returns its rate in images/s.
        rounds: Counted rounds.
        say: Takes messages about the progress.
    """
    rates: dict[str, list[float]] = {name: [] for name in work}
    began = time.monotonic()
    for turn in range(rounds + 1):
        if turn:
            left = (time.monotonic() - began) / turn * (rounds + 1 - turn)
            say(f"round {turn} of {rounds}, about {left:.0f} s left")
        for name, do in work.items():
            rate = do()
            if turn:
                rates[name].append(rate)
    return [Row(name, values) for name, values in rates.items()]


def timed(work: Callable[[], int]) -> Callable[[], float]:
    """Turn work that returns the number of images it handled into work that returns its rate."""

    def rate() -> float:
        began = time.perf_counter()
        images = work()
        return images / (time.perf_counter() - began)

    return rate


def ratio(rows: Sequence[Row], a: str, b: str) -> float:
    """Return the median over rounds of a's rate by b's in the same round."""
    by_name = {row.name: row.images_per_second for row in rows}
    return median(x / y for x, y in zip(by_name[a], by_name[b], strict=True))


def rate_table(
    rows: Sequence[Row], reference: str, unit: str = "images/s", what: str = "what"
) -> Table:
    """Return rows as a table, the fastest marked, with ratios to `reference` round by round.

    Args:
        rows: The measurements.
        reference: Name of the row whose ratio is 1.
        unit: Of the rates.
        what: Heading of the names.
    """
    cells = [
        [row.name, f"{row.median:,.0f}", f"{ratio(rows, row.name, reference):.2f}"] for row in rows
    ]
    fastest = max(range(len(rows)), key=lambda n: rows[n].median)
    return Table((what, unit, "ratio"), cells, styles={fastest: BEST})
