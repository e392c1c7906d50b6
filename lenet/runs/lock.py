"""One training at a time in a run folder."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lenet.errors import UsageError

PATIENCE_SECONDS = 0.1
"""How long to wait for a holder that is just ending, and removes the file."""
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems answer that know no locks."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and hold it for this process.

    The system releases the lock when the process ends, in whatever way. So a lock file that a
    killed training left behind blocks nobody, and a process that got the same id is not mistaken
    for its holder. A file system without locks leaves the folder unguarded.

    Raises:
        UsageError: A process holds the folder, whose id the message gives, or the folder cannot be
            written.
    """
    path = folder / "lock"
    held = FileLock(path, timeout=PATIENCE_SECONDS, on_acquired=_write_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout as error:
        raise UsageError(f"{folder} is in use by process {_holder(path)}") from error
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        # The folder may be gone, and Windows removes no open file: there, filelock does it.
        with suppress(OSError):
            path.unlink()
        held.release()


def is_locked(folder: Path) -> bool:
    """Say whether a process holds a folder; one that cannot be written is held by nobody."""
    if not (folder / "lock").is_file():
        return False
    try:
        with lock(folder):
            return False
    except UsageError as error:
        return isinstance(error.__cause__, Timeout)


def _write_id(descriptor: int) -> None:
    """Write this process's id into the lock file."""
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _holder(path: Path) -> str:
    """Return the id in a lock file; its holder may be writing it just now."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(OSError, UnicodeDecodeError):
            if holder := path.read_text(encoding="ascii").strip():
                return holder
        if time.monotonic() > until:
            return "unknown"
        time.sleep(PATIENCE_SECONDS / 20)
