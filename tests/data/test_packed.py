"""CIFAR-10, SVHN and USPS, from small files in their documented formats."""

import bz2
import gzip
import pickle
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from lenet.data.datasets import Dataset, load_dataset
from lenet.data.packed import read_cifar, read_usps
from lenet.data.sources import SOURCES
from lenet.errors import DataError


def write_cifar(folder: Path) -> Path:
    """Image i of a batch is i in red, 100 in green, 200 in blue; its label is i."""
    inside = folder / "cifar-10-batches-py"
    inside.mkdir()
    for file in SOURCES["cifar-10"].files:
        rows = np.repeat(np.array([[i, 100, 200] for i in range(2)], np.uint8), 1024, axis=1)
        (inside / file).write_bytes(pickle.dumps({"data": rows, "labels": [0, 1]}, protocol=2))
    return folder


def write_svhn(folder: Path) -> Path:
    for file in SOURCES["svhn"].files:
        images = np.zeros((32, 32, 3, 2), np.uint8)
        images[5, 7, 2, 1] = 9  # row 5, column 7, blue, of the second image
        stream = BytesIO()
        savemat(stream, {"X": images, "y": np.array([[10], [3]], np.uint8)})
        (folder / file).write_bytes(stream.getvalue())
    return folder


def usps_values() -> list[float]:
    values = [-1.0] * 256
    values[16 + 2] = 1.0  # row 1, column 2
    values[3] = 0.0
    return values


def write_usps(folder: Path) -> Path:
    pairs = " ".join(f"{i}:{value}" for i, value in enumerate(usps_values(), 1))
    for file in SOURCES["usps"].files:
        (folder / file).write_bytes(bz2.compress(f"8 {pairs} \n1 {pairs} \n".encode()))
    return folder


def write_elements(folder: Path) -> Path:
    line = " ".join(f"{value:.4f}" for value in usps_values())
    for file in SOURCES["usps"].also:
        content = f"7.0000 {line} \n0.0000 {line} \n".encode()
        (folder / f"{file}.gz").write_bytes(gzip.compress(content))
    return folder


def load(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, train: int = 2) -> Dataset:
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], md5=None, images=(train, 2)))
    return load_dataset(name, folder, fetch=False)


def test_the_five_batches_of_cifar_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load("cifar-10", write_cifar(tmp_path), monkeypatch, train=10)
    assert dataset.train.images.shape == (10, 3, 32, 32)
    assert dataset.train.images[3, :, 4, 5].tolist() == [1, 100, 200]
    assert dataset.train.labels.tolist() == [0, 1] * 5
    assert dataset.test.classes[1] == "automobile" and len(dataset.test) == 2


def test_the_tens_of_svhn_are_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = load("svhn", write_svhn(tmp_path), monkeypatch).train
    assert train.labels.tolist() == [0, 3]
    assert train.images.nonzero().tolist() == [[1, 2, 5, 7]]


@pytest.mark.parametrize("write", [write_usps, write_elements])
def test_both_files_of_usps_hold_the_same(write, tmp_path: Path, monkeypatch) -> None:
    train = load("usps", write(tmp_path), monkeypatch).train
    assert train.images.shape == (2, 1, 16, 16)
    assert train.labels.tolist() == [7, 0]
    assert train.images[0, 0, 0, 2:5].tolist() == [0, 127, 0]
    assert train.images[0, 0, 1, 2] == 255


def test_files_of_other_content_are_refused(tmp_path: Path) -> None:
    write_usps(tmp_path)
    with pytest.raises(DataError, match=r"usps\.bz2 is not usps's: it has md5 .*, expected ec16c5"):
        load_dataset("usps", tmp_path, fetch=False)
    (tmp_path / "usps.bz2").write_bytes(b"BZh9 and no more")
    with pytest.raises(DataError, match=r"usps\.bz2 is damaged, or no file of usps"):
        load_dataset("usps", tmp_path, fetch=False)


def test_another_number_of_images_is_refused(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DataError, match="holds 2 × 3 × 32 × 32 values, expected 5 × 3 × 32 × 32"):
        load("svhn", write_svhn(tmp_path), monkeypatch, train=5)


def test_a_pickle_runs_nothing() -> None:
    class Harmful:
        def __reduce__(self):
            return print, ("run",)

    with pytest.raises(pickle.UnpicklingError, match="print, which is no array"):
        read_cifar(pickle.dumps({"data": Harmful(), "labels": []}))


def test_values_beyond_one_are_no_usps() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        read_usps(b" ".join([b"1"] + [b"2"] * 256))


def test_the_known_sets_agree_with_torchvision(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    write_usps(tmp_path)
    ours = read_usps((tmp_path / "usps.bz2").read_bytes())
    theirs = datasets.USPS(tmp_path, train=True)
    assert torch.equal(ours[0][:, 0], torch.from_numpy(theirs.data))
    assert ours[1].tolist() == theirs.targets
    known = datasets.CIFAR10.train_list + datasets.CIFAR10.test_list
    assert [tuple(pair) for pair in known] == [
        *zip(SOURCES["cifar-10"].files, SOURCES["cifar-10"].md5 or (), strict=True)
    ]
    for name, theirs in (("svhn", datasets.SVHN), ("usps", datasets.USPS)):
        both = [theirs.split_list[part][1:] for part in ("train", "test")]
        files = zip(SOURCES[name].files, SOURCES[name].md5 or (), strict=True)
        assert both == [[*pair] for pair in files]
