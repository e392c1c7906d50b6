"""What the tests share: real data if there are any, a browser, a clean environment."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lenet.data.datasets import Dataset, load_dataset
from lenet.data.sources import find_folder

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
    """The real MNIST; without it, tests are skipped, and fail in CI."""
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


BROWSER_SECONDS = 60
"""How long the browser may take for one command; a command to a dead one would wait for minutes."""

CHROMIUM_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--hide-scrollbars", "--window-size=1300,1000",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let commands that tests start be interrupted, also where the tests run in the background."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # which would be inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; without it, tests are skipped, and fail in CI."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    missing = None if chromium and driver else "Debian's chromium and chromium-driver"
    try:
        from selenium import webdriver
    except ImportError:
        missing = "the package selenium"
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {missing}")
        pytest.skip(f"needs {missing}")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    opened.command_executor.client_config.timeout = BROWSER_SECONDS
    opened.set_page_load_timeout(BROWSER_SECONDS)
    opened.set_script_timeout(BROWSER_SECONDS)
    yield opened
    opened.quit()
