"""What a run writes for TensorBoard while it trains and when it ends; it draws no figures."""

import json
import sys
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
from lenet.runs.run import TIMING, Run
from lenet.statistics import describe_errors

SPLITS = ("train", "validation", "test")
STEP = "step/"
"""Beginning of the tags whose steps are updates; those of all others are epochs."""
WEIGHTS = "weights/"
"""Beginning of the tags of histograms of weights."""
KERNELS = "kernels"
"""Tag of the pictures of the first convolution's kernels."""
MOST_PICTURES = 50
"""A run shows its kernels after this many epochs at most, evenly spread."""
RESULT = "Result/errors/"
"""Beginning of the tags of the kept weights' errors. TensorBoard ticks the first five metrics of
HPARAMS and sorts capitals first."""
NOT_REPEATED = (*TIMING, "step/images_per_second", "step/peak_memory_mb")
"""Tags of what differs when a run is repeated."""


class Dashboard:
    """Writes a run's metrics as TensorBoard events, by epoch and by update.

    The events are a view of the run's other files and no reason to stop. If they cannot be written,
    the user is told and training continues; everything is written again once that is possible.
    Only what is shown by update, and the pictures, stand nowhere else and are lost with the events.

    Args:
        run: The run.
        first_epoch: What earlier files show of this and later epochs, left by an interrupted run,
            is dropped. What they lack of the epochs before is taken from the run's metrics.
        updates: Made before; what earlier files show of later ones is dropped, too.
        dataset: What the run learns from; of the sample, a notice stands above the config.
        say: Takes a warning if events cannot be written.
    """

    def __init__(
        self,
        run: Run,
        first_epoch: int,
        updates: int = 0,
        dataset: str = "",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.run, self.say = run, say
        self.end = run.config.train.epochs + 1  # the step of what is written once, at the end
        self.file: EventFile | None = None
        self.healthy = True
        earlier = _read_values(run, first_epoch, updates)
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
        views = (KERNELS, WEIGHTS, STEP)
        self.events += [event for (tag, _), event in earlier.items() if tag.startswith(views)]
        self._begin_file()

    def write(self, metrics: dict[str, Any]) -> None:
        """Write one epoch's numbers under their own names."""
        self._add(metrics["epoch"], *(summary.scalar(*each) for each in _scalars(metrics)))

    def write_update(self, updates: int, numbers: dict[str, float]) -> None:
        """Write numbers of one update, the first of which is 1; their tags begin with `STEP`."""
        self._add(updates, *(summary.scalar(*each) for each in numbers.items()))

    def show_weights(self, model: nn.Module, epoch: int) -> None:
        """Show, after some of the epochs, the kernels of the first convolution, if there is one.

        With `evaluate.histograms`, show the histogram of each tensor of weights, too.
        """
        if epoch % -(-self.run.config.train.epochs // MOST_PICTURES):
            return
        kernels = first_kernels(model)
        if kernels is not None:
            self._add(epoch, summary.image(KERNELS, paint(kernels), dataformats="HWC"))
        if self.run.config.evaluate.histograms:
            for name, weight in model.named_parameters():
                values = weight.detach().cpu().numpy()
                self._add(epoch, summary.histogram(f"{WEIGHTS}{name}", values, "auto"))

    def conclude(self, result: dict[str, Any]) -> None:
        """Write the errors of the weights that are kept, which may not be the last epoch's.

        Args:
            result: What ``result.json`` holds, or will hold.
        """
        splits = [split for split in SPLITS if f"errors/{split}" in result]
        counted = describe_errors(result["errors/test"], result["n/test"])
        self._add(
            self.end,
            *(summary.scalar(f"{RESULT}{split}", result[f"errors/{split}"]) for split in splits),
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
        yield summary.custom_scalars(_layout(self.run.config.data.validation > 0))
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
            # A bool would be shown as 1.0000.
            key: str(value).lower() if isinstance(value, bool) else value
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
    shown = _read_values(run, run.config.train.epochs + 2, 0)
    wanted = {(tag, line["epoch"]) for line in _read_lines(run) for tag, _ in _scalars(line)}
    return not {*wanted, (f"{RESULT}test", run.config.train.epochs + 1)} <= shown.keys()


def write_events(run: Run, say: Callable[[str], None] = lambda line: None) -> None:
    """Write the event file of a finished run again, from its metrics and its result.

    Raises:
        UsageError: Another process holds the folder.
        RunError: The metrics or the result are damaged.
    """
    with lock(run.folder):
        result = run.read_json("result.json")
        dashboard = Dashboard(run, run.config.train.epochs + 1, sys.maxsize, result["dataset"], say)
        dashboard.conclude(result)
        dashboard.close()


def _read_lines(run: Run) -> list[dict[str, Any]]:
    """Return the numbers of each epoch, measured and timed."""
    timings = {line["epoch"]: line for line in run.lines("timing.jsonl")}
    return [line | timings.get(line["epoch"], {}) for line in run.lines("metrics.jsonl")]


def _scalars(line: dict[str, Any]) -> list[tuple[str, float]]:
    """Return an epoch's numbers by tag."""
    return [(tag, value) for tag, value in line.items() if tag != "epoch"]


def _read_values(run: Run, end: int, updates: int) -> dict[tuple[str, int], Event]:
    """Return what a run's event files hold of the epochs before `end` and of the first updates.

    Returns:
        The events by tag and step.
    """
    found = {}
    for event in read_events(find_events(run.folder)):
        if event.summary.value and event.step > 0:
            tag = event.summary.value[0].tag
            if event.step < (updates + 1 if tag.startswith(STEP) else end):
                found[tag, event.step] = event
    return found


def _layout(validated: bool) -> dict[str, dict[str, Any]]:
    """Return the charts of the custom scalars of a run, with or without validation images."""
    splits = SPLITS if validated else ("train", "test")
    # One chart for runs with and without validation images: its pattern is the same in all.
    charts: dict[str, dict[str, Any]] = {
        kind: {"by epoch": ["Multiline", [f"{kind}/({'|'.join(SPLITS)})$"]]}
        for kind in ("errors", "accuracy", "loss")
    }
    for split in splits[1:]:
        by_class = ["Multiline", [f"class_errors/{split}/"]]
        charts["errors"][f"{split}: by epoch and class"] = by_class
    return charts


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
