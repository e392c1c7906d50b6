"""Advice on unknown words."""

import os
import shlex
from pathlib import Path

import pytest

from lenet import errors
from lenet.errors import (
    count,
    expand,
    how_to_install,
    nearest,
    printable,
    read_plain,
    shell,
    with_article,
)


def test_the_nearest_known_word_is_suggested() -> None:
    assert nearest("epoch", ["lr", "epochs"]) == "did you mean 'epochs'?"
    assert nearest("Blur", ["RandomBlurs"], prefix="kornia.") == "it is one of RandomBlurs"
    assert nearest("Blurs", ["Blur"], prefix="kornia.") == "did you mean 'kornia.Blur'?"


def test_without_a_near_word_all_are_listed_or_what_the_caller_says() -> None:
    assert nearest("xyz", ["lr", "epochs"]) == "it is one of lr, epochs"
    assert nearest("xyz", ["lr", "epochs"], "see `lenet config list`") == "see `lenet config list`"


def test_one_is_no_plural() -> None:
    assert [count(n, "error") for n in (0, 1, 1200)] == ["0 errors", "1 error", "1,200 errors"]


def test_articles_follow_the_sound() -> None:
    words = ("8", "7", "11", "18", "1", "ankle boot", "Bag")
    assert [with_article(word).split()[0] for word in words] == [
        "an", "a", "an", "an", "a", "an", "a",
    ]  # fmt: skip


def test_commands_can_be_pasted() -> None:
    assert shell("lenet", "resume", Path("my runs/0")) == "lenet resume 'my runs/0'"


def test_what_is_missing_is_installed_by_the_script_in_a_clone_and_by_pip_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "`scripts/install onnx` in the clone" in how_to_install("onnx")
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "lenet" / "errors.py"))
    words = shlex.split(how_to_install("onnx").split("`")[1])
    assert words[:2] == ["pip", "install"]
    assert {word.partition(">")[0] for word in words[2:]} == {"onnx", "onnxruntime", "onnxscript"}


def test_what_would_be_read_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, more than the 4 allowed"):
        read_plain(tmp_path / "file", 4)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        read_plain(tmp_path, 4)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices and pipes")
def test_devices_and_pipes_are_no_files_and_what_the_system_makes_up_is_cut(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(OSError, match="a pipe, a device or the like"):
            read_plain(path, 5)
    if Path("/proc/self/maps").exists():  # says that it has 0 bytes
        with pytest.raises(OSError, match="more bytes than the 5 allowed"):
            read_plain(Path("/proc/self/maps"), 5)


def test_names_of_files_can_be_drawn_and_homes_of_nobody_stay() -> None:
    assert printable(os.fsdecode(b"\xff$a.png")) == "\\udcff$a.png"
    assert expand("~") == Path.home()
    assert expand("~nosuchuser/x") == Path("~nosuchuser/x")
