"""TensorBoard's event files: written without a thread, and read back as far as they are whole."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary as untyped

from lenet.errors import RunError

PREFIX = "events.out.tfevents."

summary: Any = untyped
"""torch's functions that make summaries."""


def find_events(folder: Path, suffix: str = "") -> list[Path]:
    """Return the event files of a folder that end in `suffix`, in TensorBoard's order.

    Args:
        folder: Need not exist.
        suffix: What follows the number at the end of the name; empty: no suffix at all.
    """
    found = sorted(folder.glob(f"{PREFIX}*"))
    return [path for path in found if path.name.rpartition(".")[2] == suffix or (not suffix
            and path.name.rpartition(".")[2].isdecimal())]  # fmt: skip


class EventFile:
    """An event file of its own, open for writing.

    Unlike torch's `SummaryWriter` it has no thread that could die unseen: what cannot be written is
    an error of the call that writes it.

    Args:
        folder: Made if need be.
        suffix: Follows the number at the end of the name.
        afresh: Tell TensorBoard to forget what it has seen of the folder so far.

    Raises:
        RunError: The file cannot be made; also by `add` and `flush`, if it cannot be written.
    """

    def __init__(self, folder: Path, suffix: str = "", *, afresh: bool = False) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / _next_name(folder, suffix)
            self.stream = self.path.open("xb")
        except OSError as error:
            raise self._explained(error) from error
        # TensorBoard takes the version from the first event, and begins afresh at the second.
        self.add([Event(wall_time=time.time(), file_version="brain.Event:2")])
        if afresh:
            start = Event(wall_time=time.time(), step=0)
            start.session_log.status = start.session_log.START
            self.add([start])

    def add(self, events: Sequence[Event]) -> None:
        """Write events, and hand them to the system."""
        try:
            records = RecordWriter(self.stream)
            for event in events:
                records.write(event.SerializeToString())
            self.stream.flush()
        except OSError as error:
            self.close()
            raise self._explained(error) from error

    def add_summary(self, summary: Summary, step: int = 0) -> None:
        """Write a summary, as the functions of `torch.utils.tensorboard.summary` make them."""
        self.add([as_event(summary, step)])

    def close(self) -> None:
        """Close the file; what was added is written already."""
        with suppress(OSError):  # of what could not be written before
            self.stream.close()

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _explained(self, error: OSError) -> RunError:
        return RunError(
            f"TensorBoard's events in {self.folder} cannot be written: {error.strerror}"
        )


def as_event(summary: Summary, step: int, wall_time: float | None = None) -> Event:
    """Return a summary at a step, of now if no time is given."""
    return Event(summary=summary, step=step, wall_time=wall_time or time.time())


def as_graph(graph: GraphDef) -> Event:
    """Return a graph as an event."""
    return Event(graph_def=graph.SerializeToString(), wall_time=time.time())


def read_events(paths: Sequence[Path]) -> Iterator[Event]:
    """Yield the events of files, one file after another; each as far as it is whole."""
    for path in paths:
        try:
            for record in RawEventFileLoader(str(path)).Load():
                yield Event.FromString(record)
        except Exception:  # whatever TensorBoard makes of a file that is damaged or gone
            continue


def _next_name(folder: Path, suffix: str) -> str:
    """Return a name that TensorBoard reads after all others, also where the clock was set back."""
    stamps = [path.name.split(".")[3] for path in folder.glob(f"{PREFIX}*")]
    latest = max((int(stamp) for stamp in stamps if stamp.isdecimal()), default=0)
    stamp = max(int(time.time()), latest + 1)
    return f"{PREFIX}{stamp:010d}.{socket.gethostname()}.{os.getpid()}.0{suffix}"
