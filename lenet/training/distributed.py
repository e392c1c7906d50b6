"""Several processes that train one network, each from its part of every batch.

``torchrun --nproc-per-node 2 -m lenet train CONFIG`` starts the processes. What a batch holds
derives from counters and never from the number of processes, so that the losses are those of one
process to rounding. The first process leads: it reads the config, keeps the run folder and speaks.
The others follow: they get from it what to train, and write to a folder that is thrown away.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from lenet.config.schema import SDLM, Config
from lenet.data.batches import Share
from lenet.errors import LenetError, RunError, UsageError
from lenet.runs.run import Run

if TYPE_CHECKING:
    from lenet.augment.pipeline import Pipeline

SILENCE = timedelta(minutes=10)
"""How long a process waits for another before it takes it for lost."""

AGREE_EVERY = {"cpu": 1, "cuda": 50}
"""Steps between agreements on whether to stop: on a GPU each agreement costs as much as a step."""

STATE_FILES = ("*.json", "*.jsonl", "*.safetensors", "config.yaml")


@dataclass
class World:
    """The processes that train together.

    Attributes:
        rank: This process's number; 0 leads.
        size: How many there are.
        device: Where this process computes.
        begun: Whether the followers were told what to train.
    """

    rank: int
    size: int
    device: torch.device
    begun: bool = False

    @property
    def share(self) -> Share:
        """The part of each batch that this process learns from."""
        return Share(self.rank, self.size)

    def check(self, config: Config, augment: "Pipeline | None") -> None:
        """Refuse what cannot be divided among processes.

        Args:
            config: What is to be trained.
            augment: Its pipeline, if it has one.

        Raises:
            UsageError: It cannot.
        """
        if self.size > 1 and isinstance(config.optimizer, SDLM):
            raise UsageError(
                "the sdlm rule makes one update per image, so that there is no batch to divide"
                " among processes: start it without torchrun",
                ("optimizer", "kind"),
            )
        if self.size > 1 and config.quantize is not None:
            raise UsageError(
                "the grids of quantized states follow whole batches, which are not divided among"
                " processes: start it without torchrun",
                ("quantize",),
            )
        if self.size > 1 and augment and not augment.divisible:
            raise UsageError(
                "kornia draws for a whole batch at once, which cannot be divided among processes:"
                " start it without torchrun",
                ("augment",),
            )

    def describe(self) -> str:
        """Return where this training computes, e.g. ``cpu × 2``."""
        return self.device.type + (f" × {self.size}" if self.size > 1 else "")

    def send(self, config: Config | None, runs: Sequence[Run] = ()) -> None:
        """Tell the followers what to train next and from which checkpoints; None: nothing more."""
        if self.size == 1:
            return
        files = [
            {path.name: path.read_bytes() for kind in STATE_FILES for path in run.folder.glob(kind)}
            for run in runs
        ]
        self.begun = self.begun or config is not None
        dist.broadcast_object_list([config, files], src=0)

    def receive(self, folder: Path) -> tuple[Config, list[Run]] | None:
        """Wait for what to train next, and lay its runs out in a folder; None: nothing more."""
        task: list[Any] = [None, None]
        dist.broadcast_object_list(task, src=0)
        config, indices = task
        if config is None:
            return None
        runs = []
        for files in indices:
            place = Path(mkdtemp(dir=folder))
            for name, content in files.items():
                (place / name).write_bytes(content)
            runs.append(Run.open(place))
        return config, runs

    def follow_first(self, ours: bool) -> bool:
        """Return what the first process thinks, in all of them."""
        said = [ours]
        if self.size > 1:
            dist.broadcast_object_list(said, src=0)
        return said[0]

    def agreeing(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Return what stops all processes at the same step, when one of them was asked to stop."""
        if self.size == 1:
            return stop
        asked = 0
        every = AGREE_EVERY.get(self.device.type, 1)

        def agree() -> bool:
            nonlocal asked
            asked += 1
            if asked % every:
                return False
            wanted = torch.tensor(int(stop()))
            dist.all_reduce(wanted, dist.ReduceOp.MAX)
            return bool(wanted)

        return agree


def launched() -> bool:
    """Say whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def own_gpu(local_rank: int, gpus: int) -> torch.device:
    """Return the GPU of a process, one for each.

    Args:
        local_rank: Number of the process on this machine.
        gpus: How many GPUs this machine has.

    Raises:
        UsageError: There are fewer GPUs than processes.
    """
    if local_rank >= gpus:
        raise UsageError(
            f"process {local_rank + 1} of this machine finds no GPU of its own, for there are"
            f" {gpus}: start torchrun with --nproc-per-node {gpus}, or train with --device cpu"
        )
    return torch.device("cuda", local_rank)


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Meet the other processes that torchrun started; without torchrun, be alone.

    Raises:
        RunError: Another process was lost.
    """
    if not launched():
        yield World(0, 1, device)
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if device.type == "cuda":
        device = own_gpu(int(os.environ["LOCAL_RANK"]), torch.cuda.device_count())
        torch.cuda.set_device(device)
    world = World(rank, size, device)
    with _naming_the_lost():
        # Agreements travel between CPUs, gradients between GPUs where there are any.
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=SILENCE)
        try:
            yield world
            _release(world)
        except LenetError as error:
            # Where nothing was trained yet, the others wait to be told what.
            if isinstance(error, UsageError) or not world.begun:
                _release(world)
            raise
        finally:
            dist.destroy_process_group()


def _release(world: World) -> None:
    """Let the followers go."""
    if world.rank == 0:
        world.send(None)


@contextmanager
def _naming_the_lost() -> Iterator[None]:
    """Turn the many errors of a broken connection into one sentence."""
    try:
        yield
    except RuntimeError as error:
        signs = ("gloo", "NCCL", "Connection", "connection", "imed out")
        if not isinstance(error, dist.DistError) and not any(s in str(error) for s in signs):
            raise
        raise RunError(
            "another process of this training was lost, so this one ends too; the last checkpoint"
            " is whole: start the same command again with --resume, with any number of processes"
        ) from error
