"""TensorBoard on finished runs, in a real browser, as `lenet dashboard` starts it."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from panes import OPEN_ALL

from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.splits import make_splits
from lenet.figures.tensorboard import illustrate
from lenet.runs.run import Run
from lenet.training.train import train

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE_SECONDS = 60
RELOAD_SECONDS = 8

DEEP_TEXT = """
const found = [];
(function walk(node) {
  if (node.nodeType === Node.TEXT_NODE) found.push(node.data);
  if (node.shadowRoot) walk(node.shadowRoot);
  if (node.contentDocument?.body) walk(node.contentDocument.body);
  for (const child of node.childNodes)
    if (!["STYLE", "SCRIPT", "TEMPLATE"].includes(child.nodeName)) walk(child);
})(document.body);
return found.join(" ").replace(/\\s+/g, " ");
"""
"""All text of a page; TensorBoard hides most of it in shadow roots and frames."""

DEEP_IMAGES = """
const found = [];
(function walk(node) {
  if (node.nodeName === "IMG" && node.complete) found.push(node.naturalWidth);
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) walk(child);
})(document.body);
return found;
"""


@pytest.fixture(scope="module")
def runs(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of a small run; the first with pictures."""
    root = tmp_path_factory.mktemp("runs")
    cpu = torch.device("cpu")
    trained = []
    for seed in (0, 1):
        settings = ["data.train_size=128", "data.validation=50", "train.epochs=2"]
        config = load_config("quickstart", settings, seed=seed).config
        run = Run.create("small", config, root)
        run.write_json("environment.json", {"device": "cpu"})
        train(config, [run], make_splits(sample, config, cpu), cpu)
        trained.append(run)
    illustrate(trained[0])
    return trained


@pytest.fixture(scope="module")
def address(browser: Any, runs: list[Run]) -> Iterator[str]:
    """Where `lenet dashboard` shows the runs; Ctrl-C ends it without an error."""
    root = runs[0].folder.parent.parent
    command = [sys.executable, "-m", "lenet", "dashboard", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        late = threading.Timer(PATIENCE_SECONDS, served.kill)  # which ends the wait for its address
        late.start()
        try:
            assert served.stdout is not None
            address = served.stdout.readline().strip().partition("?")[0]
            late.cancel()
            assert address
            yield address
            browser.get("about:blank")  # or the projector keeps a core busy in all other tests
            served.send_signal(signal.SIGINT)
            assert served.wait(PATIENCE_SECONDS) == 0
        finally:
            late.cancel()
            served.kill()  # where the browser died, nobody told the server to end


@pytest.fixture
def show(browser: Any, address: str) -> Any:
    """Open a tab and return its text once it holds all that is expected; keep a screenshot."""

    def open_tab(tab: str, *expected: str, tags: str = "") -> str:
        text, until = "", time.monotonic() + PATIENCE_SECONDS
        opened = 0.0
        while time.monotonic() < until:
            if time.monotonic() - opened > RELOAD_SECONDS:
                # A page does not show runs that the server reads only after opening it.
                browser.get("about:blank")
                browser.get(f"{address}?tagFilter={tags}#{tab}")
                opened = time.monotonic()
            browser.execute_script(OPEN_ALL)
            text = browser.execute_script(DEEP_TEXT)
            if all(re.search(pattern, text) for pattern in expected):
                break
            time.sleep(0.5)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"tensorboard-{tab}.png"))
        missing = [pattern for pattern in expected if not re.search(pattern, text)]
        assert not missing, f"{missing} not in {text[:3000]}"
        return text

    return open_tab


def test_scalars_show_both_runs_and_the_means(show: Any, runs: list[Run]) -> None:
    errors = runs[0].lines("metrics.jsonl")[-1]["errors/test"]
    expected = ("small/0", "small/1", "small/seeds", r"errors ?/ ?test", rf"\b{errors}\b")
    show("timeseries", *expected, tags="^errors.test")


def test_hparams_compares_runs_by_their_results(show: Any, runs: list[Run]) -> None:
    first, second = (run.read_json("result.json")["errors/test"] for run in runs)
    text = show("hparams", "small/0", "small/1", "Result/errors/test", f"{first}", f"{second}")
    assert "optimizer.lr" not in text  # it is the same in both


def test_custom_scalars_have_errors_and_means_over_seeds(show: Any) -> None:
    # Six curves, and the means of the one experiment that has several seeds.
    means = r"test: mean ± sd over seeds[^M]*Matches \(1\)"  # numbers of its axes are between
    by_class = r"test: by epoch and class[^M]*Matches \(20\)"
    show("custom_scalars", "by epoch", r"Matches \(6\)", by_class, means)


def test_images_show_the_figures(show: Any, browser: Any) -> None:
    show("images", "figures/1 errors", "figures/2 confusion", "kernels")
    until = time.monotonic() + PATIENCE_SECONDS
    while 830 not in browser.execute_script(DEEP_IMAGES) and time.monotonic() < until:
        time.sleep(0.5)
    browser.save_screenshot(str(SCREENSHOTS / "tensorboard-images.png"))
    assert 830 in browser.execute_script(DEEP_IMAGES)


def test_text_shows_config_environment_and_result(show: Any, runs: list[Run]) -> None:
    errors = runs[0].read_json("result.json")["errors/test"]
    show("text", "kind: lenet5-modern", '"device": "cpu"', f"{errors} errors / 1,000")


def test_each_digit_has_its_precision_recall_curve(show: Any) -> None:
    show("pr_curves", *(f"classes/{digit}" for digit in range(10)))


def test_the_projector_holds_the_codes_of_a_thousand_images(show: Any) -> None:
    show("projector", "Points: ?1000", "Dimension: ?84", "f6")
