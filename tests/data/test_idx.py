"""IDX files: read whole or refused by name."""

import gzip
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenet.data.idx import read_idx
from lenet.errors import DataError

SMALL = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


def test_bytes_are_read_in_the_shape_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(SMALL)
    array, md5 = read_idx(path)
    assert array.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert array.dtype == torch.uint8
    assert md5 == "1a774071ebf25ebafb01d634933b5146"


def test_a_gzipped_file_reads_as_the_raw_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(SMALL)
    (tmp_path / "a.gz").write_bytes(gzip.compress(SMALL))
    raw, gzipped = read_idx(tmp_path / "a"), read_idx(tmp_path / "a.gz")
    assert torch.equal(raw[0], gzipped[0]) and raw[1] == gzipped[1]


def test_integers_are_big_endian(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes([0, 0, 12, 1, 0, 0, 0, 2, 0, 0, 1, 0, 255, 255, 255, 255]))
    assert read_idx(path)[0].tolist() == [256, -1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no IDX file"),
        (b"<html>503</html>", "no IDX file"),
        (SMALL[:-1], "18 bytes in all, and it has 17"),
        (SMALL + b"x", "18 bytes in all, and it has 19"),
        (SMALL[:6], "damaged"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 0]), "damaged"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0]), "no IDX file"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"images.*{complaint}"):
        read_idx(path)


def test_a_truncated_or_false_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    for content in (gzip.compress(SMALL)[:-9], SMALL, b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"images.gz"):
            read_idx(path)


@given(st.binary(max_size=64), st.sampled_from([b"", SMALL[:4], SMALL[:12]]))
def test_any_bytes_are_either_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + content)
    try:
        array, _ = read_idx(path)
    except DataError:
        return
    assert array.numel() > 0


def test_a_file_beyond_the_largest_dataset_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "images").open("wb") as stream:
        stream.truncate(10**10)
    with pytest.raises(DataError, match="10,000,000,000 bytes, more than the 600,000,000 allowed"):
        read_idx(tmp_path / "images")
