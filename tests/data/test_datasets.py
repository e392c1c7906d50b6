"""Datasets: read, checked, divided."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lenet.config.schema import Data
from lenet.data.datasets import Dataset, Split, load_dataset, verify_dataset
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import SAMPLE, SOURCES, DatasetMissingError, describe_dataset, find_folder
from lenet.data.splits import stratified_split
from lenet.errors import DataError, UsageError


def digits(counts: list[int]) -> Split:
    """A split with so many images of each class; image i holds i in its first pixel."""
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate(counts)])
    images = torch.zeros(len(labels), 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(len(labels)).to(torch.uint8)
    return Split(images, labels)


def identities(split: Split) -> set[int]:
    return set(split.images[:, 0, 0, 0].tolist())


def test_holding_out_takes_the_same_share_of_each_class() -> None:
    rest, held = stratified_split(digits([20, 40, 100]), 16, seed=0)
    assert torch.bincount(held.labels).tolist() == [2, 4, 10]
    assert len(rest) == 144
    assert identities(rest) | identities(held) == set(range(160))
    assert not identities(rest) & identities(held)


def test_holding_out_gives_what_rounding_leaves_to_the_largest_remainders() -> None:
    # 7 of 30 are 2.33, 2.33, 2.33: two of each, and one more.
    _, held = stratified_split(digits([10, 10, 10]), 7, seed=0)
    assert sorted(torch.bincount(held.labels).tolist()) == [2, 2, 3]


def test_the_seed_decides_which_images_are_validation_split() -> None:
    split = digits([50, 50])
    first, again, other = (identities(stratified_split(split, 10, seed)[1]) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("n", [0, 20])
def test_nothing_and_everything_can_be_validation_split(n: int) -> None:
    rest, held = stratified_split(digits([10, 10]), n, seed=0)
    assert (len(rest), len(held)) == (20 - n, n)


def test_more_images_than_there_are_cannot_be_validation_split() -> None:
    with pytest.raises(UsageError, match="21 images cannot be taken from 20"):
        stratified_split(digits([10, 10]), 21, seed=0)


def test_ink_goes_from_zero_to_one() -> None:
    values = scale_pixels(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.2, 1.0]))


def test_the_sample_has_400_training_and_100_test_images_of_each_class(sample: Dataset) -> None:
    assert torch.bincount(sample.train.labels).tolist() == [400] * 10
    assert torch.bincount(sample.test.labels).tolist() == [100] * 10
    assert sample.train.images.shape == (4000, 1, 28, 28)
    # That of the numbers which the package's own function reads; runs are resumed only with it.
    assert sample.checksums == {"mnist_data": "3d8f3cd6b1ecbaef5507b76a4fedc759"}


def test_mnist_is_the_published_one(mnist: Dataset) -> None:
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert torch.bincount(mnist.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    pixels = scale_pixels(mnist.train.images)
    assert float(pixels.mean()) == pytest.approx(0.1307, abs=5e-5)
    assert float(pixels.std()) == pytest.approx(0.3081, abs=5e-5)


def test_mnist_verifies_as_published(mnist: Dataset) -> None:
    verdicts = verify_dataset("mnist", mnist.source)
    assert len(verdicts) == 4
    assert all(verdict.endswith("as published") for verdict in verdicts.values())


def test_swapped_files_are_refused_with_both_sums(mnist: Dataset, tmp_path: Path) -> None:
    for path in Path(mnist.source).glob("*-ubyte*"):
        shutil.copy(path, tmp_path / path.name.replace("train", "x").replace("t10k", "train"))
    for path in tmp_path.glob("x-*"):
        path.rename(tmp_path / path.name.replace("x-", "t10k-"))
    with pytest.raises(DataError, match=r"train-images.*2646ac64.*expected 6bbc9ace"):
        load_dataset("mnist", tmp_path)


def test_mnist_is_not_taken_for_another_dataset(mnist: Dataset) -> None:
    with pytest.raises(DataError, match="is MNIST's, not fashion-mnist's"):
        load_dataset("fashion-mnist", mnist.source)


def test_a_missing_dataset_says_where_it_was_looked_for(elsewhere: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"kmnist is not in here, data; .* fetch kmnist"):
        load_dataset("kmnist", "here", fetch=False)


def test_an_unknown_dataset_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="no dataset 'minst'; there are mnist, fashion-mnist"):
        load_dataset("minst")


@pytest.mark.parametrize("layout", [".", "MNIST/raw", "mnist"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_are_found_in_any_usual_layout(tmp_path: Path, layout: str, ending: str) -> None:
    folder = tmp_path / layout
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte{ending}").touch()
    assert find_folder("mnist", tmp_path) == folder


def test_the_given_folder_comes_before_the_environment(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "environment"):
        (elsewhere / name).mkdir()
        for file in (
            "train-images-idx3",
            "train-labels-idx1",
            "t10k-images-idx3",
            "t10k-labels-idx1",
        ):
            (elsewhere / name / f"{file}-ubyte").touch()
    monkeypatch.setenv("LENET_DATA", "environment")
    assert find_folder("mnist") == Path("environment")
    assert find_folder("mnist", "given") == Path("given")


@pytest.mark.parametrize("name", [*SOURCES, SAMPLE])
def test_every_dataset_says_what_its_classes_and_images_are(name: str) -> None:
    described = describe_dataset(Data(name=name))
    assert len(set(described.classes)) == len(described.classes) >= 10
    shapes = {"usps": (1, 16, 16), "svhn": (3, 32, 32), "cifar-10": (3, 32, 32)}
    assert described.shape == shapes.get(name, (1, 28, 28))


def test_parts_of_a_split_keep_the_names_of_its_classes() -> None:
    split = Split(
        torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), ("a", "b")
    )
    rest, held = stratified_split(split, 2, seed=0)
    assert rest.classes == held.to("cpu").classes == ("a", "b")
    assert torch.bincount(held.labels).tolist() == [1, 1]


def test_a_dataset_of_another_size_is_refused(tmp_path: Path) -> None:
    for file, array in (("images-idx3", (2, 30, 30)), ("labels-idx1", (2,))):
        header = bytes([0, 0, 8, len(array)]) + b"".join(n.to_bytes(4, "big") for n in array)
        for part in ("train", "t10k"):
            path = tmp_path / "kmnist" / f"{part}-{file}-ubyte"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(header + bytes(math.prod(array)))
    with pytest.raises(DataError, match="holds 2 × 30 × 30 values, expected 60000 × 28 × 28 bytes"):
        load_dataset("kmnist", tmp_path)


def test_emnist_letters_are_turned_upright_and_counted_from_a(tmp_path: Path, monkeypatch) -> None:
    source = SOURCES["emnist-letters"]
    monkeypatch.setitem(SOURCES, "emnist-letters", replace(source, images=(2, 2)))
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[3, 20] = 9  # the file's row 3 is the picture's column 3
    for file in source.files:
        if "images" in file:
            head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (2, 28, 28))
            content = head + image.numpy().tobytes() * 2
        else:
            content = bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 26])  # a and z
        (tmp_path / file).write_bytes(content)
    train = load_dataset("emnist-letters", tmp_path).train
    assert [train.classes[label] for label in train.labels.tolist()] == ["a", "z"]
    assert train.images[0, 0].nonzero().tolist() == [[20, 3]]


@pytest.mark.parametrize(
    ("split", "classes"),
    [("balanced", 47), ("letters", 26), ("byclass", 62), ("bymerge", 47), ("mnist", 10)],
)
def test_emnist_has_the_classes_of_its_documentation(split: str, classes: int) -> None:
    assert len(set(SOURCES[f"emnist-{split}"].classes)) == classes


def test_a_folder_that_is_named_for_nothing_is_refused(mnist: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not hold mnist, which lies in .*: leave --data"):
        load_dataset("mnist", tmp_path, fetch=False)


def test_files_that_nobody_has_read_yet_are_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="of letters are not known before its files are read"):
        describe_dataset(Data(name="files", path="letters"))
