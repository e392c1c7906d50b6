#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Take the pictures of TensorBoard and of the page to draw on that stand in the documents.

``scripts/screenshots.py RUNS`` shows the runs in a folder, by default ``runs``, and writes
``docs/images/dashboard.png`` and ``docs/images/page.png``. It needs Chromium with its driver.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver import ActionChains, ChromeOptions

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (1280, 800)
READY_SECONDS = 15
"""Until TensorBoard has read the runs and drawn its charts."""
THREE = [(-60, -80), (10, -95), (50, -50), (-10, 0), (55, 40), (10, 90), (-65, 75)]
"""A 3, in pixels from the middle of the pad."""


def main(runs: str = "runs") -> None:
    """Take both pictures."""
    options = ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options)
    metrics = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    lenet = [sys.executable, "-m", "lenet"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            export = ["export", "published:handwriting/0", "--format", "html", "--to", str(page)]
            subprocess.run([*lenet, *export], check=True)
            browser.get(page.as_uri())
            draw(browser, THREE)
            browser.save_screenshot(str(IMAGES / "page.png"))
        board = [*lenet, "dashboard", runs, "--port", "0"]
        with subprocess.Popen(board, stdout=subprocess.PIPE, text=True) as served:
            try:
                assert served.stdout is not None
                browser.get(served.stdout.readline().strip())
                time.sleep(READY_SECONDS)
                browser.save_screenshot(str(IMAGES / "dashboard.png"))
            finally:
                served.terminate()
    finally:
        browser.quit()


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
