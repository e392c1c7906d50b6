"""What is read once is kept until a file changes."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lenet.data.cache import KEPT, cache_folder, read_cached


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that reads a file through the cache, and how often it was read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reads: list[int] = []

    def read(path: Path, option: int = 0) -> int:
        def make() -> dict[str, Tensor]:
            reads.append(1)
            return {"x": torch.tensor([int(path.read_text())])}

        return int(read_cached([path], (option,), make)["x"])

    return read, reads


def test_a_file_is_read_again_when_it_or_an_option_changes(counted, tmp_path: Path) -> None:
    read, reads = counted
    path = tmp_path / "file"
    path.write_text("1")
    assert (read(path), read(path), len(reads)) == (1, 1, 1)
    read(path, option=1)
    assert len(reads) == 2
    path.write_text("2")
    os.utime(path, ns=(1, 1))  # whatever the clock's resolution
    assert (read(path), len(reads)) == (2, 3)


def test_what_was_not_used_for_longest_makes_room(counted, tmp_path: Path) -> None:
    read, reads = counted
    path = tmp_path / "file"
    path.write_text("1")
    for option in range(KEPT):
        read(path, option)
    for age, cache in enumerate(sorted(cache_folder().iterdir())):
        os.utime(cache, (age, age))
    read(path, option=0)  # used now, however old it was
    for option in range(KEPT, 2 * KEPT - 1):
        read(path, option)
    assert len(list(cache_folder().iterdir())) == KEPT
    assert (read(path, option=0), len(reads)) == (1, 2 * KEPT - 1)


def test_a_damaged_or_forbidden_cache_is_no_obstacle(
    counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = counted
    path = tmp_path / "file"
    path.write_text("1")
    read(path)
    for cache in cache_folder().iterdir():
        cache.write_bytes(b"damaged")
    assert (read(path), len(reads)) == (1, 2)
    (tmp_path / "no-folder").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-folder"))
    assert (read(path), read(path), len(reads)) == (1, 1, 4)
