import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lenet.errors import UsageError
from lenet.runs import lock as locking
from lenet.runs.lock import lock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

HOLD = (
    "import sys; from pathlib import Path; from lenet.runs.lock import lock\n"
    "with lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_a_locked_folder_says_who_holds_it_and_is_clean_afterwards(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        assert (tmp_path / "run" / "lock").read_text() == f"{os.getpid()}\n"
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    with (
        lock(tmp_path),
        pytest.raises(UsageError, match=f"in use by process {os.getpid()}"),
        lock(tmp_path),
    ):
        pass
    with lock(tmp_path):
        pass


def test_another_process_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"in use by process {process.pid}"), lock(tmp_path):
            pass
        process.kill()
    assert (tmp_path / "lock").exists()  # the killed process left it behind …
    with lock(tmp_path):  # … and holds nobody up
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert process.returncode == -signal.SIGKILL


def test_a_holder_that_is_just_writing_its_id_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").write_text("")
    monkeypatch.setattr(locking.time, "sleep", lambda _: (tmp_path / "lock").write_text("4711\n"))
    assert locking._holder(tmp_path / "lock") == "4711"
    monkeypatch.undo()
    assert locking._holder(tmp_path / "nothing") == "unknown"


def test_a_lock_file_of_a_running_process_that_does_not_hold_it_is_stale(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getppid()}\n")
    with lock(tmp_path):
        pass


def test_a_deleted_folder_can_be_let_go_of(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        (tmp_path / "run" / "lock").unlink()
        (tmp_path / "run").rmdir()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="run cannot be written"), lock(tmp_path / "run"):
        pass
