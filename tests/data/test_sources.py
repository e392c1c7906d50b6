"""Where datasets come from: folders in their order, and mirrors that answer or do not."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lenet.data import sources
from lenet.data.sources import DatasetMissingError, fetch_dataset, known_source, places
from lenet.errors import UsageError


def torchvision_with(monkeypatch: pytest.MonkeyPatch, name: str, dataset: Any) -> None:
    """Put a dataset in the place of torchvision's."""
    fake = SimpleNamespace(datasets=SimpleNamespace(**{name: dataset}))
    monkeypatch.setitem(sys.modules, "torchvision", fake)


def a_dataset(mirror: Path, fault: Exception | None = None) -> Any:
    """A dataset of torchvision's kind, whose mirror is a folder."""

    class Fetched:
        mirrors = (mirror.as_uri() + "/",)
        resources = (("first.gz", "md5"),)
        asked: list[tuple[Path, dict[str, Any]]] = []  # noqa: RUF012

        def __init__(self, root: Path, **arguments: Any) -> None:
            if fault:
                raise fault
            self.asked.append((root, arguments))

    (mirror / "first.gz").write_bytes(b"")
    return Fetched


def test_both_halves_of_a_dataset_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset(tmp_path)
    torchvision_with(monkeypatch, "MNIST", dataset)
    assert fetch_dataset("mnist", tmp_path) == tmp_path / "MNIST" / "raw"
    assert dataset.asked == [
        (tmp_path, {"train": train, "download": True}) for train in (True, False)
    ]


def test_the_digits_of_emnist_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = a_dataset(tmp_path)
    torchvision_with(monkeypatch, "EMNIST", dataset)
    fetch_dataset("emnist-digits", tmp_path)
    assert [arguments["split"] for _, arguments in dataset.asked] == ["digits", "digits"]


def test_a_mirror_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset(tmp_path)
    (tmp_path / "first.gz").unlink()
    torchvision_with(monkeypatch, "MNIST", dataset)
    with pytest.raises(DatasetMissingError, match=r"mnist is not here and file:.*first\.gz does"):
        fetch_dataset("mnist", tmp_path)
    assert dataset.asked == []


@pytest.mark.parametrize(
    "fault", [OSError("disk full"), RuntimeError("File not found or corrupted")]
)
def test_a_failed_download_says_why(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_with(monkeypatch, "MNIST", a_dataset(tmp_path, fault))
    with pytest.raises(DatasetMissingError, match=f"mnist could not be fetched: {fault}"):
        fetch_dataset("mnist", tmp_path)


def test_without_torchvision_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DatasetMissingError, match="install torch and torchvision together"):
        fetch_dataset("mnist", tmp_path)


def test_the_first_file_is_found_in_every_kind_of_torchvisions_datasets() -> None:
    with_mirrors = SimpleNamespace(mirrors=["https://a/"], resources=[("x.gz", "md5")])
    qmnist = SimpleNamespace(subsets={"train": "t"}, url="")
    qmnist.subsets = {"train": [("https://b/q.gz", "md5")]}
    assert sources._first_url(with_mirrors) == "https://a/x.gz"  # type: ignore[arg-type]
    assert sources._first_url(qmnist) == "https://b/q.gz"  # type: ignore[arg-type]
    assert sources._first_url(SimpleNamespace(url="https://c.zip")) == "https://c.zip"  # type: ignore[arg-type]


def test_an_answer_that_takes_too_long_is_none() -> None:
    assert not sources._within(0.01, lambda: time.sleep(0.3) is None)
    assert sources._within(5.0, lambda: True)
    assert not sources._within(5.0, lambda: False)


def test_the_given_folder_comes_first_then_the_environments_then_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LENET_DATA", "~/sets")
    assert places("here") == [Path("here"), Path.home() / "sets", Path("data")]
    monkeypatch.delenv("LENET_DATA")
    assert places() == [Path("data")]


def test_an_unknown_source_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="no dataset 'mnits'; there are mnist, fashion-mnist"):
        known_source("mnits")
