"""One training at a time in a run folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lenet.errors import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and hold it for this process.

    The system lets go of the lock when the process ends, in whatever way. So a lock file that a
    killed training left behind holds nobody up, and a process that got the same id is not mistaken
    for its holder.

    Raises:
        UsageError: A process holds the folder, whose id the message gives, or the folder cannot be
            written.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = _acquire(path)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    if stream is None:
        raise UsageError(f"{folder} is in use by process {_holder(path)}")
    with stream:
        try:
            yield
        finally:
            if sys.platform == "win32":  # where an open file cannot be removed
                stream.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _acquire(path: Path) -> TextIO | None:
    """Open and lock a file and write this process's id into it; None if another holds it."""
    while True:
        stream = path.open("a+", encoding="ascii")
        if not _try_to_lock(stream):
            stream.close()
            return None
        if _is_file(stream, path):
            stream.truncate(0)
            stream.write(f"{os.getpid()}\n")
            stream.flush()
            return stream
        stream.close()  # its holder ended, and removed it, just now


def _try_to_lock(stream: TextIO) -> bool:
    try:
        if sys.platform == "win32":
            stream.seek(1_000)  # beyond the id, which others read
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system without locks: better an unguarded training than none
    return True


def _is_file(stream: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"
