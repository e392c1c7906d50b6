"""TensorBoard's view of a run; never the source of a number."""

import warnings
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lenet import configfile
from lenet.config import Config

PARTS = ("train", "validation", "test")
FINAL = ("errors/test", "errors/validation", "errors/train")
"""What the HPARAMS tab compares runs by."""

LAYOUT = {
    "errors": {
        "train, validation, test": ["Multiline", [f"errors/{part}$" for part in PARTS]],
        "rate": ["Multiline", [f"error_rate/{part}$" for part in PARTS]],
    },
    "loss": {"train, validation, test": ["Multiline", [f"loss/{part}$" for part in PARTS]]},
}


class Dashboard:
    """Writes a run's metrics as TensorBoard events; the step is the pass.

    Args:
        folder: The run's folder.
        config: Its config.
        first_pass: Events of this and later passes, left by an interrupted run, are hidden.
        notice: What to say above the config, e.g. that these are sample images.
    """

    def __init__(self, folder: Path, config: Config, first_pass: int, notice: str = "") -> None:
        self.writer = SummaryWriter(
            str(folder), purge_step=first_pass if first_pass > 1 else None, flush_secs=10
        )
        if first_pass == 1:
            self.writer.add_custom_scalars(LAYOUT)
            self.writer.add_text("config", f"{notice}\n\n```yaml\n{configfile.dump(config)}```", 0)
            self._write_hyperparameters(config)

    def write(self, metrics: dict[str, Any]) -> None:
        """Write one pass's numbers under their own names."""
        for tag, value in metrics.items():
            if tag not in ("pass", "step"):
                self.writer.add_scalar(tag, value, metrics["pass"])
        self.writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.writer.close()

    def _write_hyperparameters(self, config: Config) -> None:
        """Fill the HPARAMS tab from the same writer.

        `SummaryWriter.add_hparams` would open a second one, which shows as a stray run.
        """
        values = {k: v for k, v in configfile.flatten(config).items() if v is not None}
        with warnings.catch_warnings():  # protobuf's own deprecations
            warnings.simplefilter("ignore")
            summaries = hparams(values, dict.fromkeys(FINAL, 0.0))  # type: ignore[no-untyped-call]
        assert self.writer.file_writer is not None
        for summary in summaries:
            self.writer.file_writer.add_summary(summary)
