"""IDX files, the format that MNIST is published in."""

import gzip
import hashlib
import zlib
from io import BytesIO
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from lenet.errors import DataError, explain, read_plain

MAX_FILE_BYTES = 600_000_000
"""More than the largest of the known datasets has; a file may be of, or unpack to, any size."""

TYPES = {8: (torch.uint8, 1), 12: (torch.int32, 4)}
"""Code of an element's type → its dtype and its width in bytes."""


def read_idx(path: Path) -> tuple[Tensor, str]:
    """Read one IDX file, raw or gzipped.

    Returns:
        The array as a tensor (uint8 or int32) of the shape that the file states, and the MD5 sum of
        the decompressed bytes.

    Raises:
        DataError: The file is no IDX file, or shorter or longer than its header says.
    """
    try:
        content = read_plain(path, MAX_FILE_BYTES)
        if path.suffix == ".gz":
            with gzip.open(BytesIO(content)) as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise DataError(
                    f"{path} holds more than the {MAX_FILE_BYTES:,} bytes allowed when unpacked"
                )
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {explain(error)}") from error
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    known = len(content) >= 4 and content[:2] == b"\0\0" and content[2] in TYPES
    if not known or not 1 <= content[3] <= 4:
        raise DataError(f"{path} is no IDX file of bytes or integers (md5 {md5})")
    dtype, width = TYPES[content[2]]
    start = 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    expected = start + prod(shape) * width
    if len(content) != expected or expected == start:
        raise DataError(
            f"{path} is damaged: its header states {' × '.join(map(str, shape))} values,"
            f" {expected:,} bytes in all, and it has {len(content):,} (md5 {md5})"
        )
    body = torch.frombuffer(bytearray(memoryview(content)[start:]), dtype=torch.uint8)
    if width > 1:  # IDX is big-endian
        body = body.view(-1, width).flip(1).contiguous().view(dtype)
    return body.view(shape), md5
