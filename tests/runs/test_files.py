import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lenet.errors import RunError, UsageError
from lenet.runs.files import (
    DamagedFileError,
    check_output,
    read_file,
    read_tensors,
    write_atomically,
    write_tensors,
)


def a_file(folder: Path, **metadata: str) -> Path:
    path = folder / "a.safetensors"
    write_tensors(path, {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(7)}, metadata)
    return path


def test_what_is_written_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_that_is_replaced_can_be_kept(tmp_path: Path) -> None:
    path, kept = tmp_path / "file", tmp_path / "kept"
    for content in (b"1", b"2", b"3"):
        write_atomically(path, content, keep_as=kept)
    assert (path.read_bytes(), kept.read_bytes()) == (b"3", b"2")


def test_a_deleted_folder_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written: its folder is gone"):
        write_atomically(tmp_path / "no" / "file", b"new")


@pytest.mark.skipif(sys.platform == "win32", reason="needs file size limits")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(RunError, match="File too large; what was saved before is whole"):
            write_atomically(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_come_back_with_their_metadata(tmp_path: Path) -> None:
    tensors, metadata = read_tensors(a_file(tmp_path, step="3"))
    torch.testing.assert_close(tensors["w"], torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))
    assert tensors["n"] == 7
    assert metadata == {"step": "3", "format": "1"}


def test_any_safetensors_reader_can_read_the_tensors(tmp_path: Path) -> None:
    with safe_open(a_file(tmp_path), framework="pt") as file:
        assert set(file.keys()) == {"w", "n"}
        assert set(file.metadata()) == {"lenet"}


def test_the_same_tensors_make_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from lenet.runs.files import write_tensors;"
        "write_tensors(Path(sys.argv[1]),"
        " {'w': torch.arange(6.0).view(2, 3), 'n': torch.tensor(7)}, {'a': '1', 'b': '2'})"
    )
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", code, other], check=True)
    assert a_file(tmp_path, a="1", b="2").read_bytes() == other.read_bytes()


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    whole = path.read_bytes()
    tensors = read_tensors(path)[0]
    for bit in range(8 * len(whole)):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        try:
            found, _ = read_tensors(path)
        except RunError:
            continue
        # Only the header's spelling may change, such as the name of the entry with the checksum.
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match="is damaged"):
        read_tensors(path)


def test_values_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(RunError, match="for w is not finite: try a smaller"):
        write_tensors(path, {"w": torch.tensor([1.0, float("nan")])})
    assert path.read_bytes() == before


def test_values_that_are_not_finite_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.tensor([1.0, float("inf")])}, path)
    with pytest.raises(DamagedFileError, match="w is not finite"):
        read_tensors(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.zeros(1)}, path, {"lenet": json.dumps({"format": "2"})})
    with pytest.raises(RunError, match="has format 2; this version of lenet reads 1"):
        read_tensors(path)


def test_weights_of_other_programs_have_no_checksum_and_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(2)}, path)
    tensors, metadata = read_tensors(path)
    assert (tensors["w"].tolist(), metadata) == ([1.0, 1.0], {})


def test_a_file_larger_than_allowed_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(DamagedFileError, match="1,000,000,000,000 bytes, more than the 10"):
        read_file(path, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedFileError, match="it is a pipe, a device or the like"):
        read_file(tmp_path / "pipe", 10)


def test_an_output_replaces_nothing_unasked_and_no_input_ever(tmp_path: Path) -> None:
    free, taken, link = (tmp_path / name for name in ("free", "taken", "link"))
    taken.write_text("mine")
    link.symlink_to(taken)
    check_output(free)
    check_output(taken, overwrite=True)
    with pytest.raises(UsageError, match="taken exists already; --overwrite replaces it"):
        check_output(taken)
    with pytest.raises(UsageError, match="link is what is read"):
        check_output(link, overwrite=True, inputs=[free, taken])


@pytest.mark.parametrize("path", [".", "/dev/null", "x" * 300])
def test_an_output_is_an_ordinary_file(path: str) -> None:
    with pytest.raises(UsageError, match=r"is no ordinary file|cannot be written: File name too"):
        check_output(Path(path), overwrite=True)


@pytest.mark.parametrize("kind", ["F4", "F8_E8M0", "F8_E4M3", "U64"])
def test_tensors_of_types_that_no_network_has_are_refused(kind: str, tmp_path: Path) -> None:
    size = 16 if kind == "U64" else 1 if kind == "F4" else 2
    head = json.dumps({"w": {"dtype": kind, "shape": [2], "data_offsets": [0, size]}}).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(size))
    with pytest.raises(DamagedFileError, match=r"weights.safetensors (is damaged|holds) "):
        read_tensors(path)
