"""Ctrl-C and its relatives: the first one saves and ends, the second one ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""What asks a training to stop: Ctrl-C, `kill`, a terminal that is closed."""


class Stop:
    """Whether the training was asked to stop.

    Attributes:
        signal: The signal that asked, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended: 130 for Ctrl-C, 143 for `kill`."""
        return 128 + (self.signal or 0)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note the first signal, and leave the second to the system, which ends the process at once.

    Files are written whole or not at all, so that nothing needs to be cleaned up. Signals that are
    ignored, as by ``nohup``, stay ignored. To be used in the main thread.
    """
    stop = Stop()
    watched = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for other in watched:
            signal.signal(other, signal.SIG_DFL)
        # Not through sys.stderr, which the signal may have interrupted.
        os.write(2, b"\nfinishing this step and saving; once more ends it at once\n")

    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
