"""What a run writes for TensorBoard while it trains and when it ends; it draws no figures."""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn

from lenet.config.load import dump_config, flatten_config
from lenet.data.sources import SAMPLE, SAMPLE_NOTICE
from lenet.errors import RunError
from lenet.runs.events import EventFile, as_event, find_events, read_events, summary
from lenet.runs.lock import lock
from lenet.runs.run import Run
from lenet.statistics import describe_errors

SPLITS = ("train", "validation", "test")
KERNELS = "kernels"
"""Tag of the pictures of the first convolution's kernels."""
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

    The events are a view of the run's other files and no reason to stop. If they cannot be written,
    the user is told and training continues; everything is written again once that is possible.

    Args:
        run: The run.
        first_epoch: What earlier files show of this and later epochs, left by an interrupted run,
            is dropped. What they lack of the epochs before is taken from the run's metrics.
        dataset: What the run learns from; of the sample, a notice stands above the config.
        say: Takes a warning if events cannot be written.
    """

    def __init__(
        self,
        run: Run,
        first_epoch: int,
        dataset: str = "",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.run, self.say = run, say
        self.end = run.config.train.epochs + 1  # the step of what is written once, at the end
        self.file: EventFile | None = None
        self.healthy = True
        earlier = _read_values(run, first_epoch)
        self.events = [as_event(each, 0) for each in self._introduction(dataset)]
        for line in _read_lines(run):
            if line["epoch"] < first_epoch:
                for tag, value in _scalars(line):
                    known = earlier.get((tag, line["epoch"]))
                    self.events.append(
                        as_event(
                            summary.scalar(tag, value), line["epoch"], known and known.wall_time
                        )
                    )
        self.events += [event for (tag, _), event in earlier.items() if tag == KERNELS]
        self._begin_file()

    def write(self, metrics: dict[str, Any]) -> None:
        """Write one epoch's numbers under their own names."""
        self._add(metrics["epoch"], *(summary.scalar(*each) for each in _scalars(metrics)))

    def show_kernels(self, model: nn.Module, epoch: int) -> None:
        """Show the kernels of the first convolution, if there is one, after some of the epochs."""
        every = -(-self.run.config.train.epochs // MOST_PICTURES)
        kernels = first_kernels(model)
        if kernels is not None and epoch % every == 0:
            self._add(epoch, summary.image(KERNELS, paint(kernels), dataformats="HWC"))

    def conclude(self, result: dict[str, Any]) -> None:
        """Write the errors of the weights that are kept, which may not be the last epoch's.

        Args:
            result: What ``result.json`` holds, or will hold.
        """
        tags = [tag for tag in (f"errors/{split}" for split in SPLITS) if tag in result]
        counted = describe_errors(result["errors/test"], result["n/test"])
        self._add(
            self.end,
            *(summary.scalar(f"result/{tag}", result[tag]) for tag in tags),
            summary.text("result", f"{counted}, weights of epoch {result['kept_epoch']}"),
            self._session()[1],
        )

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def _introduction(self, dataset: str) -> Iterator[Summary]:
        """Yield what stands before the first epoch."""
        notice = SAMPLE_NOTICE if dataset == SAMPLE else ""
        yield summary.custom_scalars(LAYOUT)
        yield summary.text("config", f"{notice}\n\n```yaml\n{dump_config(self.run.config)}```")
        if self.run.begun:
            environment = json.dumps(self.run.read_json("environment.json"), indent=2)
            yield summary.text("environment", f"```json\n{environment}\n```")
        yield self._session()[0]

    def _add(self, step: int, *summaries: Summary) -> None:
        """Write summaries; if that fails, once more with all that came before them."""
        events = [as_event(each, step) for each in summaries]
        self.events += events
        try:
            if self.file is not None:
                self.file.add(events)
                return
        except RunError:
            pass
        self._begin_file()

    def _begin_file(self) -> None:
        """Write all events into a new file, then remove those that it replaces."""
        old = find_events(self.run.folder)
        self.file = None
        try:
            file = EventFile(self.run.folder, afresh=True)
            try:
                file.add(self.events)
                for path in old:
                    path.unlink(missing_ok=True)
            except (OSError, RunError):
                file.close()
                file.path.unlink()
                raise
        except (OSError, RunError) as error:
            if self.healthy:
                self.say(f"warning: {error}")
                self.say(
                    "warning: training continues; they are written again when that is possible"
                )
            self.healthy = False
        else:
            self.file, self.healthy = file, True

    def _session(self) -> tuple[Summary, Summary]:
        """Return the run's values for the HPARAMS tab, and that it has ended.

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
            _, start, end = summary.hparams(values, {})
        return start, end


def lacks_events(run: Run) -> bool:
    """Tell whether the event files of a finished run lack any of its numbers.

    Raises:
        RunError: The run's metrics are damaged.
    """
    if not run.finished:
        return False
    shown = _read_values(run, run.config.train.epochs + 2)
    wanted = {(tag, line["epoch"]) for line in _read_lines(run) for tag, _ in _scalars(line)}
    return not {*wanted, ("result/errors/test", run.config.train.epochs + 1)} <= shown.keys()


def write_events(run: Run, say: Callable[[str], None] = lambda line: None) -> None:
    """Write the event file of a finished run again, from its metrics and its result.

    Raises:
        UsageError: Another process holds the folder.
        RunError: The metrics or the result are damaged.
    """
    with lock(run.folder):
        result = run.read_json("result.json")
        dashboard = Dashboard(run, run.config.train.epochs + 1, result["dataset"], say)
        dashboard.conclude(result)
        dashboard.close()


def _read_lines(run: Run) -> list[dict[str, Any]]:
    """Return the numbers of each epoch, measured and timed."""
    timings = {line["epoch"]: line for line in run.lines("timing.jsonl")}
    return [line | timings.get(line["epoch"], {}) for line in run.lines("metrics.jsonl")]


def _scalars(line: dict[str, Any]) -> list[tuple[str, float]]:
    """Return an epoch's numbers by tag."""
    return [(tag, value) for tag, value in line.items() if tag != "epoch"]


def _read_values(run: Run, end: int) -> dict[tuple[str, int], Event]:
    """Return what a run's event files hold of the epochs before `end`, by tag and epoch."""
    return {
        (event.summary.value[0].tag, event.step): event
        for event in read_events(find_events(run.folder))
        if event.summary.value and 0 < event.step < end
    }


def first_kernels(model: nn.Module) -> Tensor | None:
    """Return the kernels of a network's first convolution, (channels, k, k), if it has one.

    Of several channels, the mean.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().mean(dim=1)
    return None


def paint(kernels: Tensor, zoom: int = 12) -> Tensor:
    """Return kernels (C, k, k) side by side in colours, uint8 (zoom k, zoom (k + 1) C, 3).

    Blue is positive, orange negative, as in the figure `filters`.
    """
    share = (kernels / kernels.abs().max().clamp(min=1e-12)).cpu()
    share = torch.nn.functional.pad(share, (0, 1))  # a white column between kernels
    row = share.transpose(0, 1).flatten(1)  # (k, (k + 1) C)
    row = row.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)[..., None]
    blue, orange = torch.tensor([0, 114, 178]), torch.tensor([213, 94, 0])
    colour = torch.where(row > 0, blue, orange)
    return (255 - row.abs() * (255 - colour)).round().to(torch.uint8)
