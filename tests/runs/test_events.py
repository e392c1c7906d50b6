import time
from pathlib import Path

import pytest

from lenet.errors import RunError
from lenet.runs.events import EventFile, find_events, read_events, summary


def values(folder: Path) -> list[tuple[int, float]]:
    events = list(read_events(find_events(folder)))
    return [(event.step, value.simple_value) for event in events for value in event.summary.value]


def write(folder: Path, value: float) -> Path:
    with EventFile(folder) as file:
        file.add_summary(summary.scalar("errors", value), 3)
    return file.path


def test_what_is_added_is_in_the_file_at_once(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "new")
    file.add_summary(summary.scalar("errors", 9.0), 1)
    assert values(tmp_path / "new") == [(1, 9.0)]
    file.close()


def test_a_torn_tail_hides_no_event_before_it_and_none_of_other_files(tmp_path: Path) -> None:
    first = write(tmp_path, 1.0)
    write(tmp_path, 2.0)
    content = first.read_bytes()
    first.write_bytes(content + content[-20:-5])
    assert values(tmp_path) == [(3, 1.0), (3, 2.0)]
    first.write_bytes(content[:-5])
    assert values(tmp_path) == [(3, 2.0)]


def test_files_are_read_in_the_order_of_writing_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, clock in enumerate((2e9, 2e9, 1e9)):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        write(tmp_path, float(number))
    assert [value for _, value in values(tmp_path)] == [0.0, 1.0, 2.0]


def test_files_with_a_suffix_are_apart(tmp_path: Path) -> None:
    with EventFile(tmp_path, ".figures") as file:
        pass
    assert find_events(tmp_path) == []
    assert find_events(tmp_path, "figures") == [file.path]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"TensorBoard's events in .*file cannot be written: "):
        EventFile(tmp_path / "file")
