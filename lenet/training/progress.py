"""A line on the terminal for a whole training: how far it is, how fast, and its errors."""

import sys
from collections.abc import Callable

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
