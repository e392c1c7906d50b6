"""Files that are there whole or not at all, and tensors that say when they were damaged."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from lenet.errors import DivergedError, RunError, UsageError, read_plain

if TYPE_CHECKING:  # so that runs are listed without torch
    from torch import Tensor

FORMAT = 1
"""Version of the files that a run writes; another one is refused."""

ENTRY = "lenet"
"""Where the metadata of a safetensors file hold format, checksum and the like, as JSON."""

MAX_TENSOR_BYTES = 2_000_000_000
"""Larger files are not read: four values for each of 100 million parameters, and some to spare."""


class DamagedFileError(RunError):
    """A file is not what was once written to it."""


def write_atomically(path: Path, content: bytes, keep_as: Path | None = None) -> None:
    """Write a file whole or not at all: beside it first, onto the disk, then in its place.

    Args:
        path: The file, whose folder exists.
        content: All of it.
        keep_as: Where the file that is replaced goes; None: it is gone.

    Raises:
        RunError: It cannot be written; what was there before is whole.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if keep_as is not None and path.exists():
                path.replace(keep_as)
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        there = os.path.isdir(path.parent)  # noqa: PTH112  (Path.is_dir can fail, too)
        reason = error.strerror if there else "its folder is gone"
        raise RunError(
            f"{path} cannot be written: {reason}; what was saved before is whole"
        ) from error


def check_output(path: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Refuse to write a file where that would lose something; to be asked before the work.

    Args:
        path: The file that a user named.
        overwrite: Whether a file that is there may be replaced.
        inputs: What the work reads; none of it is ever replaced.

    Raises:
        UsageError: The path is one of the inputs, a folder, a device or the like, or a file that
            may not be replaced.
    """
    try:
        if not path.exists():
            return
        if any(given.exists() and path.samefile(given) for given in inputs):
            raise UsageError(f"{path} is what is read: name another file")
        if not path.is_file():
            raise UsageError(f"{path} is no ordinary file: name another one")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    if not overwrite:
        raise UsageError(f"{path} exists already; --overwrite replaces it")


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read a file that is no larger than it may be.

    Raises:
        DamagedFileError: It cannot be read, is no plain file, or is larger.
    """
    try:
        return read_plain(path, max_bytes)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error.strerror}") from error


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    keep_as: Path | None = None,
) -> None:
    """Write tensors with their checksum as a safetensors file; see `write_atomically`.

    Raises:
        DivergedError: A value is not finite.
        RunError: The file cannot be written.
    """
    from safetensors.torch import save

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    bad = _not_finite(plain)
    if bad is not None:
        raise DivergedError(
            f"{path} is not written, for {bad} is not finite: try a smaller optimizer.lr;"
            " what was saved before is whole"
        )
    labels = {**(metadata or {}), "format": str(FORMAT)}
    labels["checksum"] = compute_checksum(plain, labels)
    # One entry, for safetensors writes several in an order that changes from process to process.
    write_atomically(path, save(plain, {ENTRY: json.dumps(labels, sort_keys=True)}), keep_as)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors, and the metadata that `write_tensors` was given.

    A file without a checksum, from another program, is taken as it is.

    Raises:
        DamagedFileError: It cannot be read, is too large, holds values that are not finite, or its
            checksum is not that of its content.
        RunError: It is of another format.
    """
    import torch
    from safetensors.torch import load

    known = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool,
             torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}  # fmt: skip
    content = read_file(path, MAX_TENSOR_BYTES)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFileError(
            f"{path} holds a type that PyTorch does not know: {error}"
        ) from error
    unknown = {value.dtype for value in tensors.values()} - known
    if unknown:
        raise DamagedFileError(f"{path} holds {unknown.pop()}, which no network here has")
    labels = _read_labels(content, path)
    version = labels.get("format", str(FORMAT))
    if version != str(FORMAT):
        raise RunError(f"{path} has format {version}; this version of lenet reads {FORMAT}")
    checksum = labels.pop("checksum", None)
    if checksum is not None:
        found = compute_checksum(tensors, labels)
        if checksum != found:
            raise DamagedFileError(
                f"{path} is damaged: its content has checksum {found}, expected {checksum}"
            )
    bad = _not_finite(tensors)
    if bad is not None:
        raise DamagedFileError(f"{path} is damaged: {bad} is not finite")
    return tensors, labels


def _read_labels(content: bytes, path: Path) -> dict[str, str]:
    """Return what `write_tensors` wrote beside the tensors into a safetensors file's header."""
    header_end = 8 + int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8:header_end]).get("__metadata__") or {}
    try:
        labels = json.loads(metadata.get(ENTRY, "{}"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    if not (isinstance(labels, dict) and all(isinstance(v, str) for v in labels.values())):
        raise DamagedFileError(f"{path} is damaged: its labels are no texts")
    return labels


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of a tensor with a value that is not finite, if there is one."""
    return next((name for name, value in tensors.items() if not value.isfinite().all()), None)


def compute_checksum(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> str:
    """Return the SHA-256 sum of tensors' names, types, shapes and values, and of metadata.

    Args:
        tensors: On the CPU.
        metadata: What else belongs to them.
    """
    import torch

    digest = hashlib.sha256(json.dumps(dict(metadata or {}), sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a replacement outlast a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_layout(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not the expected ones.

    Raises:
        RunError: A tensor is missing, unknown, or of another shape or type; the message names it.
    """
    for name in (*expected, *found):
        have, want = _describe(found.get(name)), _describe(expected.get(name))
        if have != want:
            raise RunError(f"{name} is {have}, expected {want}")


def _describe(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    shape = "×".join(map(str, tensor.shape)) or "one"
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"
