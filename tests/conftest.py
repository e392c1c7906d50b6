"""What the tests share: real data where they are, and a clean environment."""

import os
from pathlib import Path

import pytest
import torch

from lenet.data import Dataset, load_dataset
from lenet.sources import find_folder

# The tests' networks are small: threads would only wait for each other.
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """The real MNIST; skipped where it is not to be had, a failure in CI."""
    if find_folder("mnist", os.environ.get("LENET_DATA")) is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have MNIST: set LENET_DATA")
        pytest.skip("needs MNIST: set LENET_DATA to its folder")
    return load_dataset("mnist", fetch=False)


@pytest.fixture(scope="session")
def sample() -> Dataset:
    """The 5,000 real images of mnist-sample."""
    return load_dataset("mnist-sample")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory without any dataset in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LENET_DATA", raising=False)
    return tmp_path
