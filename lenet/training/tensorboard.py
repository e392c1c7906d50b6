"""What a run writes for TensorBoard while it trains and when it ends; it draws no figures."""

import json
import warnings
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lenet.config.load import dump_config, flatten_config
from lenet.runs.run import Run
from lenet.statistics import describe_errors

SPLITS = ("train", "validation", "test")
MOST_PICTURES = 50
"""A run shows its kernels after this many epochs at most, evenly spread."""

LAYOUT = {
    "errors": {
        "by epoch": ["Multiline", [f"errors/{split}$" for split in SPLITS]],
        **{
            f"{split}: mean ± sd over seeds": [
                "Margin",
                [f"seeds/errors/{split}/{bound}" for bound in ("mean", "low", "high")],
            ]
            for split in SPLITS
        },
    },
    "accuracy": {"by epoch": ["Multiline", [f"accuracy/{split}$" for split in SPLITS]]},
    "loss": {"by epoch": ["Multiline", [f"loss/{split}$" for split in SPLITS]]},
}


class Dashboard:
    """Writes a run's metrics as TensorBoard events; the step is the epoch.

    Args:
        run: The run.
        first_epoch: Events of this and later epochs, left by an interrupted run, are hidden.
        notice: What to say above the config, e.g. that these are sample images.
    """

    def __init__(self, run: Run, first_epoch: int, notice: str = "") -> None:
        self.run = run
        self.end = run.config.train.epochs + 1  # the step of what is written once, at the end
        self.writer = SummaryWriter(
            str(run.folder), purge_step=first_epoch if first_epoch > 1 else None, flush_secs=10
        )
        if first_epoch == 1:
            self.writer.add_custom_scalars(LAYOUT)
            self.writer.add_text("config", f"{notice}\n\n```yaml\n{dump_config(run.config)}```", 0)
            if run.begun:
                environment = json.dumps(run.read_json("environment.json"), indent=2)
                self.writer.add_text("environment", f"```json\n{environment}\n```", 0)
            self._write_session(0)

    def write(self, metrics: dict[str, Any]) -> None:
        """Write one epoch's numbers under their own names."""
        for tag, value in metrics.items():
            if tag != "epoch":
                self.writer.add_scalar(tag, value, metrics["epoch"])
        self.writer.flush()

    def show_kernels(self, model: nn.Module, epoch: int) -> None:
        """Show the kernels of the first convolution, if there is one, after some of the epochs."""
        every = -(-self.run.config.train.epochs // MOST_PICTURES)
        kernels = first_kernels(model)
        if kernels is not None and epoch % every == 0:
            self.writer.add_image("kernels", paint(kernels), epoch, dataformats="HWC")

    def conclude(self, result: dict[str, Any]) -> None:
        """Write the errors of the weights that are kept, which may not be the last epoch's.

        To be called before ``result.json`` is written: a run that is interrupted in between
        concludes again when it is resumed, and what it wrote first is hidden.

        Args:
            result: What ``result.json`` will hold.
        """
        for split in SPLITS:
            tag = f"errors/{split}"
            if tag in result:
                self.writer.add_scalar(f"result/{tag}", result[tag], self.end)
        counted = describe_errors(result["errors/test"], result["n/test"])
        self.writer.add_text(
            "result", f"{counted}, weights of epoch {result['kept_epoch']}", self.end
        )
        self._write_session(1)
        self.writer.flush()

    def close(self) -> None:
        """Write what is left and close the file.

        What cannot be written any more is left out: what went wrong is said where it mattered.
        """
        with suppress(OSError):
            self.writer.close()

    def _write_session(self, end: int) -> None:
        """Write the run's values for the HPARAMS tab, or that it has ended.

        `SummaryWriter.add_hparams` would open a second writer, which shows as a stray run. It also
        describes an experiment; TensorBoard takes the first description that it finds for all runs,
        and hides the values that only others have. Without one it collects them from all runs.
        """
        values = {
            key: value
            for key, value in flatten_config(self.run.config).items()
            # How often errors are counted changes none of them, and TensorBoard knows no None.
            if value is not None and not key.startswith("evaluate.")
        }
        with warnings.catch_warnings():  # protobuf's own deprecations
            warnings.simplefilter("ignore")
            _, *session = hparams(values, {})  # type: ignore[no-untyped-call]
        assert self.writer.file_writer is not None
        self.writer.file_writer.add_summary(session[end])


def first_kernels(model: nn.Module) -> Tensor | None:
    """Return the kernels of a network's first convolution, (maps, k, k), if it has one.

    Of several channels, the mean.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().mean(dim=1)
    return None


def paint(kernels: Tensor, zoom: int = 12) -> Tensor:
    """Return kernels (maps, k, k) side by side in colours, uint8 (zoom k, zoom (k + 1) maps, 3).

    Blue is positive, orange negative, as in the figure `filters`.
    """
    share = (kernels / kernels.abs().max().clamp(min=1e-12)).cpu()
    share = torch.nn.functional.pad(share, (0, 1))  # a white column between kernels
    row = share.transpose(0, 1).flatten(1)  # (k, (k + 1) maps)
    row = row.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)[..., None]
    blue, orange = torch.tensor([0, 114, 178]), torch.tensor([213, 94, 0])
    colour = torch.where(row > 0, blue, orange)
    return (255 - row.abs() * (255 - colour)).round().to(torch.uint8)
