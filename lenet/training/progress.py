"""A line on the terminal for a whole training: how far it is, how fast, and its errors."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

FORMAT = "{desc} {bar:9} {percentage:3.0f} % · {remaining} left · {rate_fmt}{postfix}"


class Progress:
    """A bar over all images of a training.

    Args:
        epochs: Of the whole training.
        images: Per epoch, of one seed.
        done: Images of one seed that were learned before, where a training goes on.
        seeds: How many learn at once.
        shown: False: nothing is drawn.
    """

    def __init__(self, epochs: int, images: int, done: int, seeds: int, shown: bool) -> None:
        self.epochs = epochs
        self.seeds = seeds
        self.bar = tqdm(
            total=epochs * images * seeds,
            initial=done * seeds,
            disable=not shown,
            leave=False,
            unit=" images",
            unit_scale=True,
            bar_format=FORMAT,
            dynamic_ncols=True,
        )
        if shown:
            self.bar.dynamic_ncols = _measure  # type: ignore[assignment]  # tqdm calls it
            self.bar.ncols, self.bar.nrows = _measure(sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        self.bar.close()

    def begin(self, epoch: int, what: str = "epoch") -> None:
        """Say what is done in which epoch."""
        self.bar.set_description_str(f"{what} {epoch}/{self.epochs}")

    def advance(self, images: int) -> None:
        """Count images that each seed has learned from."""
        self.bar.update(images * self.seeds)

    def show_error(self, rate: float) -> None:
        """Show the error rate of the epoch so far, 0 to 1."""
        self.bar.set_postfix_str(f"error {100 * rate:.2f} %", refresh=False)

    def above(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return `say` for use while the bar is drawn: its lines appear above the bar."""

        def _say(line: str) -> None:
            with tqdm.external_write_mode(file=sys.stderr):
                say(line)

        return say if self.bar.disable else _say


def _measure(stream: TextIO) -> tuple[int | None, int | None]:
    """Return how many columns and rows tqdm may use; None: any number.

    Some terminals, those of containers and of jobs for example, claim to have none; in a terminal
    without rows tqdm itself would draw nothing.
    """
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):  # no terminal
        return None, None
    return columns - 1 if columns else None, rows - 1 if rows else None
