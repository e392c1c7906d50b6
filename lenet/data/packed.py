"""Files of datasets that are not IDX: CIFAR-10's pickles, SVHN's MATLAB files, USPS's lines.

Each function takes a file's bytes and returns images, uint8 (N, C, H, W), and labels, int64 (N,).
What it raises on damaged bytes can be anything; `read_packed` makes a sentence of it.
"""

import bz2
import codecs
import gzip
import hashlib
import pickle
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenet.data.idx import MAX_FILE_BYTES
from lenet.errors import DataError, explain, read_plain


class _ArraysOnly(pickle.Unpickler):
    """Unpickles lists, texts and arrays. A pickle may name any other function to be run."""

    KNOWN = {  # noqa: RUF012
        "_reconstruct": np.zeros(0).__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
        "encode": codecs.encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in ("numpy", "_codecs") or name not in self.KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return self.KNOWN[name]


def read_cifar(content: bytes) -> tuple[Tensor, Tensor]:
    """Read a batch of CIFAR-10's "python version": a dictionary of rows of 3,072 bytes and labels.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    batch = _ArraysOnly(BytesIO(content), encoding="latin1").load()
    rows = np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32)
    return torch.from_numpy(rows.copy()), torch.tensor(batch["labels"], dtype=torch.int64)


def read_svhn(content: bytes) -> tuple[Tensor, Tensor]:
    """Read SVHN's cropped digits: ``X`` (32, 32, 3, N) and ``y`` (N, 1), where 10 means 0.

    Source: http://ufldl.stanford.edu/housenumbers/
    """
    from scipy.io import loadmat  # takes a moment to import

    found = loadmat(BytesIO(content), variable_names=["X", "y"])
    images = np.ascontiguousarray(np.asarray(found["X"], np.uint8).transpose(3, 2, 0, 1))
    return torch.from_numpy(images), torch.from_numpy(found["y"].astype(np.int64).ravel() % 10)


def read_usps(content: bytes) -> tuple[Tensor, Tensor]:
    """Read USPS's digits: a line each, of a label and 256 values from -1 to 1, packed.

    LIBSVM's files count labels from 1 and write ``index:value``; those of "The Elements of
    Statistical Learning" count from 0 and write values only. Pixels are made as torchvision makes
    them.
    """
    unpack = bz2.decompress if content.startswith(b"BZ") else gzip.decompress
    text = unpack(content) if content[:2] in (b"BZ", b"\x1f\x8b") else content
    first = 1 if b":" in text else 0
    table = np.array(re.sub(rb"\d+:", b"", text).split(), np.float32).reshape(-1, 257)
    if not (np.abs(table[:, 1:]) <= 1).all():
        raise ValueError("its values do not lie between -1 and 1")
    images = ((table[:, 1:] + 1) / 2 * 255).astype(np.uint8).reshape(-1, 1, 16, 16)
    return torch.from_numpy(images), torch.from_numpy(table[:, 0].astype(np.int64)) - first


PACKED: dict[str, Callable[[bytes], tuple[Tensor, Tensor]]] = {
    "cifar": read_cifar,
    "svhn": read_svhn,
    "usps": read_usps,
}
"""The formats by name."""


def read_packed(path: Path, kind: str) -> tuple[Tensor, Tensor, str]:
    """Read a file of one of the formats `PACKED`.

    Returns:
        Images, labels, and the MD5 sum of the file as it is.

    Raises:
        DataError: The file cannot be read, or is none of that format.
    """
    try:
        content = read_plain(path, MAX_FILE_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {explain(error)}") from error
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    try:
        images, labels = PACKED[kind](content)
    except Exception as error:  # damaged pickles and MATLAB files raise anything
        raise DataError(f"{path} is damaged, or no file of {kind} (md5 {md5}): {error}") from error
    return images, labels, md5
