"""Images that were decoded or parsed once, kept until a file changes."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lenet import __version__

KEPT = 20
"""Results that are kept; the one that was not used for longest makes room."""


def cache_folder() -> Path:
    """Return where they are kept: ``lenet`` in $XDG_CACHE_HOME, by default ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lenet"


def read_cached(
    paths: Iterable[Path], options: Sequence[Any], make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return what was made of files before, or make it and keep it.

    Args:
        paths: The files; their names, sizes and times decide whether they have changed.
        options: What else the result depends on, as JSON can hold it.
        make: Reads the files.
    """
    files = [(str(path.absolute()), *_state(path)) for path in paths]
    key = hashlib.sha256(json.dumps([__version__, *options, files]).encode()).hexdigest()
    cache = cache_folder() / f"{key}.safetensors"
    try:
        kept = load(cache.read_bytes())
    except (OSError, SafetensorError):
        pass  # not there yet, or damaged
    else:
        with suppress(OSError):  # it may not be ours
            cache.touch()
        return kept
    tensors = make()
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = cache.with_suffix(f".{os.getpid()}")
        try:
            draft.write_bytes(save(tensors))
            draft.replace(cache)
        finally:
            draft.unlink(missing_ok=True)
        by_use = sorted(cache.parent.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for oldest in by_use[:-KEPT]:
            oldest.unlink(missing_ok=True)
    except OSError:
        pass  # a full or read-only disk: made again next time
    return tensors


def _state(path: Path) -> tuple[int, int]:
    """Return a file's size and time, or zeros if it is gone: reading it will say so."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns
