"""Signals that stop a training: the first saves and quits, the second quits immediately."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""What asks a training to stop: Ctrl-C, `kill`, a closed terminal."""

MESSAGE = b"\nstopping after this step to save; press Ctrl-C again to quit immediately\n"


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
    """Note the first signal; the second one kills the process as usual.

    That is safe at any moment: files are written whole or not at all. Signals that are ignored, as
    under ``nohup``, stay ignored. To be used in the main thread.
    """
    stop = Stop()
    watched = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for other in watched:
            signal.signal(other, signal.SIG_DFL)
        # Not through sys.stderr, which the signal may have interrupted. Without a standard error,
        # descriptor 2 may be a file of the run.
        if sys.__stderr__ is not None:
            with suppress(OSError):  # the terminal was closed, or nobody reads the pipe any more
                os.write(2, MESSAGE)

    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
