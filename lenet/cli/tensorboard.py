"""TensorBoard, started with the options that runs need."""

import io
import json
import logging
import os
import sys
import webbrowser
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tensorboard import default, program
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin

from lenet.errors import RunError, UsageError
from lenet.training.tensorboard import RESULT

KEPT = {"images": 1000, "text": 1000, "pr_curves": 1000, "scalars": 10_000}
"""Steps of each kind that are shown; left alone, TensorBoard shows ten images, chosen at random.
(Not 0, which means all to its slow loader and none to its fast one.)"""


PINNED = ("errors/test", "loss/train", "learning_rate")
"""Scalars that stand above all others when the page is opened."""


class Comparison(Context):  # type: ignore[misc]
    """What HPARAMS compares: the settings in which the runs differ, and the errors.

    TensorBoard's own choice, five settings and five metrics of all, is wider than most windows.
    """

    def experiment_from_metadata(self, *args: Any, **options: Any) -> Any:
        """Return TensorBoard's description of the runs without the other columns."""
        found = super().experiment_from_metadata(*args, **options)
        differing = {info.name for info in found.hparam_infos if info.differs}
        shown = differing - {"seed"} or {"seed"}  # which ends each run's name anyway
        for info in [info for info in found.hparam_infos if info.name not in shown]:
            found.hparam_infos.remove(info)
        for info in [i for i in found.metric_infos if not i.name.tag.startswith(RESULT)]:
            found.metric_infos.remove(info)
        return found


class Compared(HParamsPlugin):  # type: ignore[misc]
    """TensorBoard's HPARAMS with fewer columns."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._context = Comparison(context)


def opening_view(address: str) -> str:
    """Return the address that opens the scalars, without smoothing and with `PINNED` pinned."""
    cards = json.dumps([{"plugin": "scalars", "tag": tag} for tag in PINNED])
    return f"{address}?{urlencode({'smoothing': 0, 'pinnedCards': cards})}#timeseries"


def open_browser(address: str) -> None:
    """Open an address in the user's browser, if there is a screen for it."""
    if sys.platform in ("darwin", "win32") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))
    ):
        webbrowser.open(address)


def start_tensorboard(root: Path, port: int | None = None, host: str = "127.0.0.1") -> str:
    """Start TensorBoard in the background of this process and return its address.

    Args:
        root: The folder of the runs; they are named by their path below it, ``config/seed``.
        port: To listen on; None: 6006, or the next one that is free.
        host: ``127.0.0.1`` for this machine only, ``0.0.0.0`` for the whole network.

    Raises:
        UsageError: `root` is no folder.
        RunError: The port is taken, or TensorBoard cannot start.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no folder")
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    plugins = [Compared if each is HParamsPlugin else each for each in default.get_plugins()]
    board = program.TensorBoard(plugins=plugins)
    options = {
        "logdir": str(root),
        "host": host,
        "samples_per_plugin": ",".join(f"{kind}={steps}" for kind, steps in KEPT.items()),
        "reload_interval": "5",
    }
    if port is not None:
        options["port"] = str(port)
    board.configure(argv=["lenet", *(f"--{key}={value}" for key, value in options.items())])
    try:
        with redirect_stderr(io.StringIO()):  # its advice on how it reads files helps nobody here
            url: str = board.launch()
    except (program.TensorBoardServerException, OSError, OverflowError) as error:
        raise RunError(f"TensorBoard cannot start: {error}") from error
    return url
