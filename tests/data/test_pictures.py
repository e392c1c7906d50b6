"""Pictures from anywhere become plain arrays, or one sentence."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lenet.data.pictures import (
    PictureError,
    decode_scaled,
    guarded_decoding,
    list_pictures,
    read_picture,
    read_scaled,
)
from lenet.errors import UsageError


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def half_black(mode: str, size: tuple[int, int] = (8, 4)) -> Image.Image:
    """White, the left half black."""
    image = Image.new("L", size, 255)
    image.paste(0, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"),
        ("I;16", "PNG"), ("L", "BMP"), ("RGB", "WEBP"), ("CMYK", "TIFF"), ("F", "TIFF"),
        ("CMYK", "JPEG"),
    ],
)  # fmt: skip
def test_every_mode_and_format_gives_black_beside_white(mode: str, kind: str) -> None:
    if mode == "I;16":  # a scanner's 12 of 16 bits
        image = Image.fromarray(np.asarray(half_black("L", (32, 16)), dtype=np.uint16) * 16)
    else:
        image = half_black(mode, (32, 16))
    picture = decode_scaled(encode(image, kind), 100)[0]
    assert picture.shape[:2] == (16, 32)
    assert picture.shape[2] in (1, 3)
    assert picture[:, :14].max() < 12
    assert picture[:, 18:].min() > 243


def test_exif_turns_the_picture_upright() -> None:
    image = half_black("L", (32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that its left side is the picture's top
    picture = decode_scaled(encode(image, "JPEG", exif=exif), 100)[0]
    assert picture.shape == (32, 16, 1)
    assert picture[:14].max() < 12
    assert picture[18:].min() > 243


def test_a_large_picture_is_reduced_to_the_working_size() -> None:
    assert decode_scaled(encode(half_black("RGB", (1000, 500)), "JPEG"), 100)[0].shape == (
        50,
        100,
        3,
    )
    assert decode_scaled(encode(half_black("L", (1000, 2))), 100)[0].shape == (1, 100, 1)


def test_white_strokes_on_nothing_are_laid_on_black() -> None:
    image = Image.new("RGBA", (10, 10))
    image.paste((255, 255, 255, 255), (4, 0, 6, 10))
    picture = decode_scaled(encode(image), 100)[0]
    assert (picture[:, 0] == 0).all()
    assert (picture[:, 4] == 255).all()


def test_black_strokes_on_nothing_are_laid_on_white() -> None:
    image = Image.new("RGBA", (10, 10))
    image.paste((0, 0, 0, 255), (4, 0, 6, 10))
    picture = decode_scaled(encode(image), 100)[0]
    assert (picture[:, 0] == 255).all()
    assert (picture[:, 4] == 0).all()


def test_an_animation_is_refused() -> None:
    frames = [half_black("RGB"), half_black("RGB").rotate(180)]
    file = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="has 2 frames; give a single picture"):
        decode_scaled(file, 100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"])
def test_a_truncated_file_is_damaged(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind).getvalue()
    with pytest.raises(PictureError, match="damaged picture"):
        decode_scaled(io.BytesIO(data[: len(data) // 2]), 100)


def test_what_is_no_picture_is_said_to_be_none() -> None:
    with pytest.raises(PictureError, match="not a picture that can be read"):
        decode_scaled(io.BytesIO(b"%PDF-1.7"), 100)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.binary(max_size=40), st.sampled_from(["PNG", "JPEG", "TIFF", "PPM"])
)
def test_any_damage_ends_in_a_picture_or_a_sentence(place: int, junk: bytes, kind: str) -> None:
    data = bytearray(encode(half_black("RGB", (40, 40)), kind).getvalue())
    place %= len(data)
    data[place : place + len(junk)] = junk
    with guarded_decoding():
        try:
            assert decode_scaled(io.BytesIO(bytes(data)), 100)[0].dtype == np.uint8
        except PictureError as error:
            assert str(error)


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    """400 million pixels, 1.2 GB unpacked, in a 50 KB file."""
    pytest.importorskip("resource")  # not on Windows
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from lenet.data.pictures import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_picture(Path(sys.argv[1]), 640)\n"
        "except PictureError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, bomb], capture_output=True, text=True, check=True
    )
    sentence, grown = run.stdout.splitlines()
    assert sentence == "more than 89 million pixels"
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(grown) * unit < 20 * 1024**2


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file"):
        read_picture(tmp_path / "none.png", 100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="a pipe, a device or the like"):
        read_picture(tmp_path / "pipe.png", 100)


def test_folders_and_globs_expand_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert list_pictures(["."]) == [Path("a.JPG"), Path("b.png")]
    assert list_pictures(["*.png", "notes.txt", "-"]) == [
        Path("b.png"), Path("notes.txt"), Path("-"),
    ]  # fmt: skip
    assert list_pictures([str(tmp_path / "*.png")]) == [tmp_path / "b.png"]


def test_an_empty_folder_and_an_idle_glob_say_so_when_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    idle = [tmp_path, tmp_path / "*.jpg"]
    assert list_pictures([str(path) for path in idle]) == idle
    with pytest.raises(PictureError, match="the folder holds no picture"):
        read_picture(idle[0], 100)
    with pytest.raises(PictureError, match="no file matches"):
        read_picture(idle[1], 100)
    with pytest.raises(UsageError, match="name at least one picture"):
        list_pictures([])


@pytest.mark.parametrize("size", [(400, 300), (90, 60)])
def test_the_scale_is_that_of_the_file(size: tuple[int, int], tmp_path: Path) -> None:
    for name in ("photo.jpg", "scan.png"):
        Image.new("L", size, 200).save(tmp_path / name)
        picture, scale = read_scaled(tmp_path / name, 100)
        assert picture.shape[1] * scale == pytest.approx(size[0])
        assert picture.shape[0] * scale == pytest.approx(size[1])
