"""CSV tables, NumPy arrays and IDX files become datasets, or a sentence."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lenet.config.schema import Data
from lenet.data import arrays
from lenet.data.arrays import as_images, fit_images, holds_arrays, load_arrays, read_images
from lenet.data.own import load_images
from lenet.errors import DataError

PIXELS = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_csv(path: Path, rows: list[str], pixels: int = 16, head: bool = True) -> Path:
    """Write rows whose cells after the given ones count up from 0."""
    names = ",".join(f"pixel{i}" for i in range(pixels))
    body = [",".join([row, *map(str, range(pixels))]) if row else "" for row in rows]
    path.write_text("\n".join([*([f"label,{names}"] if head else []), *body]) + "\n")
    return path


def write_idx(path: Path, array: np.ndarray) -> None:
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


@pytest.mark.parametrize("head", [True, False])
def test_a_table_holds_a_label_and_an_image_in_each_row(tmp_path: Path, head: bool) -> None:
    path = write_csv(tmp_path / "train.csv", ["10", "9"] * 10, head=head)
    dataset = load_arrays(path)
    assert dataset.train.classes == ("9", "10")  # by value
    assert (len(dataset.train), len(dataset.test)) == (16, 4)
    assert dataset.train.images[0, 0].flatten().tolist() == list(range(16))
    assert dataset.train.labels.bincount().tolist() == [8, 8]


def test_a_test_table_without_labels_is_told_and_left_for_predicting(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", ["cat", "dog"] * 10)
    (tmp_path / "test.csv").write_text(
        ",".join(f"p{i}" for i in range(16)) + "\n" + "7," * 15 + "7"
    )
    said: list[str] = []
    dataset = load_arrays(tmp_path, say=said.append)
    assert (len(dataset.train), len(dataset.test)) == (16, 4)
    assert "test.csv has no labels" in said[0]
    load_arrays(tmp_path, say=said.append)
    assert said[2:] == said[:2]  # also when it is read from the cache
    assert read_images(tmp_path / "test.csv").tolist() == [[[[7] * 4] * 4]]


def test_images_that_are_trained_on_and_tested_are_told(tmp_path: Path) -> None:
    images = np.arange(96, dtype=np.uint8).reshape(6, 4, 4)
    labels = np.array([0, 1] * 3)
    path = tmp_path / "twice.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[4:5], y_test=labels[4:5])
    said: list[str] = []
    load_arrays(path, say=said.append)
    assert [line.partition(": ")[2].rpartition(": ")[2] for line in said] == [
        "test image 0 = image 4"
    ]


def test_arrays_are_read_once_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "train.csv", ["cat", "dog"] * 10)
    first = load_arrays(path, size=8)
    with monkeypatch.context() as patch:
        patch.setattr(arrays, "_read", None)
        again = load_arrays(path, size=8)
    assert first.checksums == again.checksums and first.train.classes == again.train.classes
    assert torch.equal(first.test.images, again.test.images)
    write_csv(path, ["cat", "cow"] * 10)
    assert load_arrays(path, size=8).train.classes == ("cat", "cow")


def test_arrays_are_found_by_the_usual_names(tmp_path: Path) -> None:
    images, labels = np.stack([PIXELS] * 6), np.array([0, 1] * 3)
    kinds = {
        "keras": {"x_train": images, "y_train": labels, "x_test": images[:2], "y_test": labels[:2]},
        "medmnist": {
            "train_images": images, "train_labels": labels[:, None], "val_images": images,
            "val_labels": labels, "test_images": images[:2], "test_labels": labels[:2],
        },
    }  # fmt: skip
    for name, named in kinds.items():
        np.savez(tmp_path / f"{name}.npz", **named)
        dataset = load_arrays(tmp_path / f"{name}.npz")
        assert (len(dataset.train), len(dataset.test)) == (6, 2)
    folder = tmp_path / "npy"
    folder.mkdir()
    np.save(folder / "images.npy", images / 255)
    np.save(folder / "labels.npy", np.array(["b", "a"] * 3))
    dataset = load_arrays(folder)
    assert dataset.train.classes == ("a", "b")
    assert dataset.train.images[0, 0].tolist() == PIXELS.tolist()
    idx = tmp_path / "idx"
    idx.mkdir()
    for part, n in (("train", 6), ("t10k", 2)):
        write_idx(idx / f"{part}-images-idx3-ubyte", images[:n])
        write_idx(idx / f"{part}-labels-idx1-ubyte", labels[:n])
    dataset = load_images(Data(name="files", path=str(idx)))
    assert (len(dataset.train), len(dataset.test)) == (6, 2)


def test_any_usual_order_of_axes_becomes_channels_first() -> None:
    colour = np.zeros((2, 5, 4, 3), np.uint8)
    colour[..., 0] = 255
    images = as_images(colour, "x")
    assert images.shape == (2, 3, 5, 4)
    assert images[0, :, 0, 0].tolist() == [255, 0, 0]
    assert torch.equal(as_images(images.numpy(), "x"), images)
    assert as_images(np.ones((2, 4, 4), bool), "x").unique().tolist() == [255]
    assert as_images(np.zeros((2, 48)), "x").shape == (2, 3, 4, 4)


def test_images_are_brought_to_a_size_and_to_grey_or_colours() -> None:
    red = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    red[:, 0] = 200
    assert fit_images(red, None, None).shape == (1, 3, 32, 32)
    assert fit_images(red, 16, 1).unique().tolist() == [60]  # 0.299 of 200
    assert fit_images(red[:, :1, :28, :28], None, 3).shape == (1, 3, 28, 28)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": PIXELS}, "no training images with labels"),
        ({"x": np.zeros((4, 4, 4)), "y": np.array([0, 1, 0])}, "4 images and 3 labels"),
        ({"x": np.zeros((4, 4, 4)) - 1, "y": np.array([0, 1] * 2)}, "from -1 to -1, expected 0"),
        ({"x": np.zeros((4, 17)), "y": np.array([0, 1] * 2)}, "17 pixels are no square"),
        ({"x": np.zeros((4, 4, 4, 2)), "y": np.array([0, 1] * 2)}, "have the shape"),
        ({"x": np.zeros((4, 4, 4)), "y": np.zeros(4, int)}, "one class, 0"),
        ({"x": np.zeros((4, 4, 4)), "y": np.array(["a", "b\n"] * 2)}, r"name, 'b\\n': rename it"),
        ({"x": np.zeros((4, 4, 4)), "y": np.array([0, 0, 0, 1])}, "too few have 1"),
        ({"x": np.array(["a"] * 64).reshape(4, 4, 4), "y": np.array([0, 1] * 2)}, "no numbers"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_arrays(tmp_path / "own.npz")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(DataError, match=r"own.npz cannot be read"):
        load_arrays(tmp_path / "own.npz")
    with pytest.raises(DataError, match=r"gone.csv cannot be read"):
        load_arrays(tmp_path / "gone.csv")
    path = write_csv(tmp_path / "train.csv", ["1", "2"] * 3)
    path.write_text(path.read_text() + "1,2,3\n")
    with pytest.raises(DataError, match="line 8: 3 columns, expected 17"):
        load_arrays(path)
    path.write_text(path.read_text().replace("1,2,3\n", "1" + ",x" * 16 + "\n"))
    with pytest.raises(DataError, match="could not convert string 'x'"):
        load_arrays(path)
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(DataError, match="has 3 columns, but a label and"):
        load_arrays(path)


def test_folders_of_pictures_hold_no_arrays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").touch()
    assert not holds_arrays(tmp_path)


def test_arrays_that_would_fill_the_memory_are_refused_by_their_size(tmp_path: Path) -> None:
    with (tmp_path / "own.csv").open("wb") as stream:
        stream.truncate(10**10)
    with pytest.raises(DataError, match="10,000,000,000 bytes, more than the 1,000,000,000 "):
        load_arrays(tmp_path / "own.csv")
    entry = zipfile.ZipInfo("x.npy")
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        archive.writestr(entry, b"")
        entry.file_size = 3 * 10**9  # a bomb says so in its table of contents
    with pytest.raises(DataError, match="3,000,000,000 bytes, more than the 2,000,000,000 "):
        load_arrays(tmp_path / "own.npz")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"
    (tmp_path / "own.npy").write_bytes(
        b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    )
    with pytest.raises(DataError, match="cannot be read"):
        read_images(tmp_path / "own.npy")
