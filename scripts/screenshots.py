#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Take the pictures of TensorBoard and of the page to draw on that stand in the documents.

``scripts/screenshots.py RUNS`` shows the runs in a folder, by default ``runs``, and writes
``docs/images/page.png``, ``page-1998.png``, ``dashboard.png`` (the address that `lenet dashboard`
prints), ``dashboard-updates.png`` and ``dashboard-hparams.png``. It needs Chromium with its driver.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver import ActionChains, ChromeOptions

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests"))

from panes import OPEN_ALL  # noqa: E402

IMAGES = TOP / "docs" / "images"
SIZE = (1280, 800)
READY_SECONDS = 25
"""Until TensorBoard has read the runs and drawn its charts."""
PAGES = {"page": "published:handwriting/0", "page-1998": "published:paper/lenet5/0"}
TABS = {
    "dashboard": "",
    "dashboard-updates": "?smoothing=0&tagFilter=step#timeseries",
    "dashboard-hparams": "#hparams",
}
"""Picture → what follows TensorBoard's address; empty: the whole address as it is printed."""
THREE = [(-60, -80), (10, -95), (50, -50), (-10, 0), (55, 40), (10, 90), (-65, 75)]
"""A 3, in pixels from the middle of the pad."""


def main(runs: str = "runs") -> None:
    """Take all pictures."""
    options = ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options)
    resize(browser, *SIZE)
    lenet = [sys.executable, "-m", "lenet"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, run in PAGES.items():
                page = Path(folder) / f"{name}.html"
                export = ["export", run, "--format", "html", "--to", str(page)]
                subprocess.run([*lenet, *export], check=True)
                browser.get(page.as_uri())
                draw(browser, THREE)
                browser.save_screenshot(str(IMAGES / f"{name}.png"))
        board = [*lenet, "dashboard", runs, "--port", "0"]
        with subprocess.Popen(board, stdout=subprocess.PIPE, text=True) as served:
            try:
                assert served.stdout is not None
                printed = served.stdout.readline().strip()
                time.sleep(READY_SECONDS)
                for name, view in TABS.items():
                    browser.get("about:blank")
                    browser.get(printed.partition("?")[0] + view if view else printed)
                    time.sleep(READY_SECONDS)
                    browser.execute_script(OPEN_ALL)
                    time.sleep(1)
                    browser.save_screenshot(str(IMAGES / f"{name}.png"))
            finally:
                served.terminate()
    finally:
        browser.quit()


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    """Make the window so large, in pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def draw(browser: webdriver.Chrome, points: list[tuple[int, int]]) -> None:
    """Draw a stroke on the page's pad with the mouse."""
    pad = browser.find_element("id", "pad")
    (x, y), *rest = points
    actions = ActionChains(browser, duration=20)
    actions.move_to_element_with_offset(pad, x, y).click_and_hold()
    for u, v in rest:
        actions.move_to_element_with_offset(pad, u, v)
    actions.release().perform()
    time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
