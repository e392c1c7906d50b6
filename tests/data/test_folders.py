"""A folder per class is a dataset; a folder that is none is explained."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lenet.data import folders
from lenet.data.cache import cache_folder
from lenet.data.folders import list_folder, load_folder
from lenet.data.pictures import fit_picture
from lenet.errors import DataError

Paint = Callable[[str, int], Path]


@pytest.fixture
def paint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paint:
    """Return a function that writes a plain picture of a grey level, 8 × 4 pixels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(name: str, level: int) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 4), level).save(path)
        return path

    return write


def test_a_folder_with_train_and_test_keeps_them_apart(paint: Paint, tmp_path: Path) -> None:
    for place, level in enumerate((10, 20, 30, 40)):
        paint(f"train/{'ab'[place % 2]}/{place}.png", level)
    paint("test/b/9.jpg", 90)
    dataset = load_folder(tmp_path / "set", size=5)
    assert dataset.name == "set"
    assert dataset.train.classes == ("a", "b")
    assert dataset.train.images.shape == (4, 1, 5, 5)
    assert dataset.train.images[:, 0, 0, 0].tolist() == [10, 30, 20, 40]
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.test.labels.tolist() == [1]
    assert abs(int(dataset.test.images[0, 0, 2, 2]) - 90) <= 1


def test_a_single_folder_is_split_by_seed_with_the_same_share_of_each_class(
    paint: Paint, tmp_path: Path
) -> None:
    for level in range(10):
        paint(f"a/{level}.png", level)
        paint(f"b/{level}.png", 100 + level)
    dataset = load_folder(tmp_path / "set", test_share=0.3, seed=1)
    assert dataset.test.labels.tolist() == [0] * 3 + [1] * 3
    again = load_folder(tmp_path / "set", test_share=0.3, seed=1)
    torch.testing.assert_close(again.test.images, dataset.test.images, rtol=0, atol=0)
    assert again.checksums == dataset.checksums
    other = load_folder(tmp_path / "set", test_share=0.3, seed=2)
    assert other.checksums != dataset.checksums
    levels = torch.cat([dataset.train.images, dataset.test.images])[:, 0, 0, 0]
    assert sorted(levels.tolist()) == [*range(10), *range(100, 110)]


def test_pictures_are_read_in_colour_if_one_of_them_has_any(paint: Paint, tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        paint(name, 50)
    Image.new("RGB", (6, 6), (200, 100, 0)).save(tmp_path / "set/b/2.png")
    folder = tmp_path / "set"
    assert load_folder(folder).train.images.shape[1] == 3
    grey = load_folder(folder, channels=1)
    assert grey.train.images.shape[1] == 1
    colours = torch.cat([load_folder(folder).train.images, load_folder(folder).test.images])
    assert [200, 100, 0] in colours[:, :, 0, 0].tolist()
    (folder / "b/2.png").unlink()
    paint("b/3.png", 51)
    assert load_folder(folder).train.images.shape[1] == 1


def test_shrinking_averages_the_pixels_that_fall_on_one() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 200  # every other column: 100 on average
    small = fit_picture(stripes, 8, 1)
    assert small.shape == (1, 8, 8)
    assert np.abs(small.astype(int) - 100).max() <= 4  # the frame ends there


def test_pictures_are_decoded_once_until_a_file_changes(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [paint(f"{c}/{i}.png", 10 * i) for c in "ab" for i in range(2)]
    first = load_folder(tmp_path / "set")
    assert len([*cache_folder().iterdir()]) == 1
    with monkeypatch.context() as patch:
        patch.setattr(folders, "read_picture", lambda path, side: pytest.fail("decoded again"))
        assert load_folder(tmp_path / "set").checksums == first.checksums
    paint("a/0.png", 77)
    os.utime(files[0], ns=(1, 1))
    assert load_folder(tmp_path / "set").checksums != first.checksums
    for cache in cache_folder().iterdir():
        cache.write_bytes(b"damaged")
    again = load_folder(tmp_path / "set")
    assert 77 in torch.cat([again.train.images, again.test.images]).flatten().tolist()


def test_all_pictures_that_cannot_be_read_are_named_at_once(paint: Paint, tmp_path: Path) -> None:
    paint("a/1.png", 1)
    paint("b/1.png", 1)
    for name in ("a/bad.png", "b/worse.jpg"):
        (tmp_path / "set" / name).write_text("no picture")
    (tmp_path / "set" / "b" / "gone.png").symlink_to("nowhere")
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path / "set")
    first, *lines = str(caught.value).splitlines()
    assert first == "3 of 5 pictures cannot be read:"
    assert [line.partition(": ")[0].rpartition("set/")[2] for line in lines] == [
        "a/bad.png", "b/gone.png", "b/worse.jpg",
    ]  # fmt: skip


def test_what_is_left_out_and_what_stands_twice_is_said(paint: Paint, tmp_path: Path) -> None:
    for name, level in (("train/a/1.png", 1), ("train/a/2.png", 2), ("train/b/1.png", 3)):
        paint(name, level)
    paint("train/b/2.png", 4)
    paint("test/a/9.png", 2)
    paint("val/a/1.png", 5)
    paint("test/loose.png", 5)
    (tmp_path / "set/train/a/notes.txt").write_text("")
    (tmp_path / "set/train/a/.DS_Store").write_text("")
    (tmp_path / "set/train/a/Thumbs.db").write_text("")
    said: list[str] = []
    load_folder(tmp_path / "set", say=said.append)
    assert said == [
        "note: 1 file not read, for the names are not those of pictures: train/a/notes.txt",
        "note: left out, for no class's folder holds them: val, test/loose.png",
        f"warning: {tmp_path / 'set' / 'test'} has no pictures of b",
        "warning: 1 test image is a training image, too, which makes test errors too"
        " few: test/a/9.png = train/a/2.png",
    ]


def test_classes_that_the_drawn_test_set_lacks_are_named(paint: Paint, tmp_path: Path) -> None:
    for number, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png")):
        paint(name, number)
    said: list[str] = []
    missing = {0, 1} - set(load_folder(tmp_path / "set", say=said.append).test.labels.tolist())
    assert said == [
        f"warning: the test set drawn from {tmp_path / 'set'} has no pictures of {'ab'[label]}"
        for label in missing
    ]
    assert len(said) == 1


def test_a_folder_that_is_no_dataset_is_explained(paint: Paint, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with pytest.raises(DataError, match="there is no"):
        list_folder(folder)
    for name in "ab":
        paint(f"deep/train/x/{name}/1.png", 1)
        paint(f"deep/test/x/{name}/1.png", 1)
    with pytest.raises(DataError, match=r"train holds a single folder: .* .*deep/train/x\?"):
        list_folder(folder / "deep")
    paint("__MACOSX/1.png", 1)
    shutil.rmtree(folder / "deep")
    paint("1.png", 1)
    with pytest.raises(DataError, match="needs a folder per class"):
        list_folder(folder)
    with pytest.raises(DataError, match="is no folder"):
        list_folder(folder / "1.png")
    paint("letters/a/1.png", 1)
    paint("letters/b/1.png", 1)
    with pytest.raises(DataError, match=r"a single folder: did you mean .*letters\?"):
        list_folder(folder)
    with pytest.raises(DataError, match=r"too few have a \(1\), b \(1\)"):
        list_folder(folder / "letters")
    (folder / "letters" / "b" / "1.png").unlink()
    (folder / "letters" / "b").rmdir()
    paint("letters/a/2.png", 1)
    with pytest.raises(DataError, match="one class, a: a network needs two or more"):
        list_folder(folder / "letters")
    for name in ("train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png"):
        paint(f"x/{name}", 1)
    paint("x/test/c/1.png", 1)
    with pytest.raises(DataError, match=r"has classes that .* lacks: c"):
        list_folder(folder / "x")


def test_a_folder_of_the_wrong_level_or_of_splits_is_explained(
    paint: Paint, tmp_path: Path
) -> None:
    for kind in ("high/up/letters", "many/letters", "many/digits", "splits/train", "splits/Val"):
        for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
            paint(f"{kind}/{name}", 1)
    folder = tmp_path / "set"
    with pytest.raises(DataError, match=r"did you mean .*high/up/letters\?"):
        list_folder(folder / "high")
    with pytest.raises(DataError, match="holds Val, train, which are no classes"):
        list_folder(folder / "splits")
    said: list[str] = []
    load_folder(folder / "many", say=said.append)
    assert said[0].startswith("note: digits, letters hold folders of pictures: if these are the")
    assert said[0].endswith("many/digits is meant")


def test_too_many_pictures_are_refused_with_the_number(
    paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for c in "ab":
        for i in range(2):
            paint(f"{c}/{i}.png", i)
    monkeypatch.setattr(folders, "MAX_BYTES", 4 * 3 * 16 * 16 - 1)
    with pytest.raises(DataError, match=r"4 pictures of 16×16 pixels need 0\.0 GB"):
        load_folder(tmp_path / "set", size=16)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_back_is_not_followed_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "own" / name
        folder.mkdir(parents=True)
        (folder / "back").symlink_to(tmp_path / "own")
        for number in range(2):
            (folder / f"{number}.png").write_bytes(b"")
    listing = list_folder(tmp_path / "own")
    assert len(listing.train) == 4  # each class's own, and no other's through its link


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
@pytest.mark.parametrize(
    ("name", "complaint"),
    [(b"b\xff", "udcff has no name in UTF-8: rename it"), (b"b\n", r"name, 'b\\n': rename it")],
)
def test_a_class_whose_name_is_no_text_is_refused(
    tmp_path: Path, name: bytes, complaint: str
) -> None:
    for each in (b"a", name):
        folder = tmp_path / os.fsdecode(each)
        folder.mkdir()
        (folder / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=complaint):
        list_folder(tmp_path)
