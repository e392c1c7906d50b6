"""The run folder: one training, understandable in ten years.

config.yaml            the resolved config; it runs again as it is
environment.json       versions, device, commit, checksums of data and teachers
metrics.jsonl          one line per epoch, the same bits whenever the run is repeated
timing.jsonl           one line per epoch: seconds and images per second
result.json            the errors of the finished run; its presence means finished
weights.safetensors    the weights of the result
state.safetensors      what resuming needs; state.previous.safetensors is the one before
lock                   while training: the id of the process that holds the folder
events.out.tfevents.*  TensorBoard's view of the above, with projector/ and its config
figures/               what `lenet figures` draws
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenet.config.load import dump_config, load_config
from lenet.config.schema import Config
from lenet.errors import RunError, UsageError
from lenet.runs.files import (
    DamagedFileError,
    read_file,
    read_tensors,
    write_atomically,
    write_tensors,
)

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINTS = ("state.safetensors", "state.previous.safetensors")
"""The newest checkpoint and the one before it."""

MAX_JSON_BYTES = 100_000_000

TIMING = ("seconds", "images_per_second")
"""What ``timing.jsonl`` says of an epoch: all that differs when a run is repeated."""

DAMAGED = "state.damaged.safetensors"
"""What a damaged checkpoint is renamed to."""

CONFIG = "config.yaml"
"""Makes a folder a run."""

FILES = (
    "result.json", CONFIG, "environment.json", "metrics.jsonl", "timing.jsonl",
    "weights.safetensors", *CHECKPOINTS, DAMAGED, "events.out.tfevents.*", "projector_config.pbtxt",
    "projector/codes.tsv", "projector/labels.tsv", "projector/images.png", "figures/*.png",
    "figures/*.svg", "figures/*.pdf",
)  # fmt: skip
"""Patterns of the files that a run writes, whatever else lies in its folder is somebody's own. What
makes it finished comes first: so a run that is half removed is an unfinished one."""

BEFORE_CONFIG = ("lock", f".{CONFIG}.tmp")
"""What a run that is cut short at its very beginning leaves in its folder."""

NUMBER = (int, float)

KINDS: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "images": dict,
    "errors/": int,
    "n/": int,
    "loss/": NUMBER,
    "seed": int,
    "epochs": int,
    "kept_epoch": int,
}
"""What JSON values are, by the beginning of their keys."""


class Record(dict[str, Any]):
    """What was read from a file of a run; that it lacks a key is the file's fault.

    Args:
        content: The values by key.
        path: The file, for messages.
    """

    def __init__(self, content: dict[str, Any], path: Path) -> None:
        super().__init__(content)
        self.path = path

    def __missing__(self, key: str) -> Any:
        """Raise a `DamagedFileError` that names the file and the key."""
        raise DamagedFileError(f"{self.path} is damaged: it has no {key}")


@dataclass(frozen=True, order=True)
class Position:
    """How far a run has come: `step` updates into epoch `epoch`; the first epoch is 1."""

    epoch: int = 1
    step: int = 0


@dataclass(frozen=True)
class Run:
    """One training of one config with one seed, and its folder."""

    folder: Path
    config: Config

    @classmethod
    def create(cls, name: str, config: Config, root: Path, *, overwrite: bool = False) -> Run:
        """Make the folder ``root/name/seed`` and write the config into it.

        Args:
            name: Of the experiment.
            config: Of the run.
            root: The folder of the runs.
            overwrite: Replace a run that is there: the files of `files`, and no others.

        Raises:
            UsageError: The name would leave `root`, the folder holds a run already or files that
                are no run's, or it cannot be written.
        """
        check_name(name)
        folder = root / name / str(config.seed)
        if is_published(folder.parent):
            raise UsageError(
                f"{folder.parent} holds published runs; --name NAME puts this one elsewhere"
            )
        if is_run(folder) and not overwrite:
            finished = (folder / "result.json").exists()
            state = "a finished run" if finished else "an unfinished run; --resume continues it"
            raise UsageError(
                f"{folder} holds {state}; --overwrite replaces it,"
                " --name NAME puts this one elsewhere"
            )
        run = cls(folder, config)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not is_run(folder):
                _check_empty(folder)
            # The config is replaced last: until then the folder is a run's, whatever happens.
            for path in run.files():
                if path.name != CONFIG:
                    path.unlink()
            write_atomically(folder / CONFIG, dump_config(config).encode())
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open an existing run.

        Raises:
            UsageError: The folder is no run, or its config is damaged.
        """
        folder = Path(folder)
        if not is_run(folder):
            raise UsageError(f"{folder} is no run folder: it has no config.yaml")
        return cls(folder, load_config(folder / "config.yaml").config)

    @property
    def seed(self) -> int:
        """The seed that everything random in the run derives from."""
        return self.config.seed

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.folder / "result.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether any training was done."""
        return (self.folder / "environment.json").is_file()

    @property
    def figures(self) -> Path:
        """The folder of the pictures that are drawn of the run."""
        return self.folder / "figures"

    def files(self) -> Iterator[Path]:
        """Yield the files that a run of this format writes, as far as they exist."""
        for pattern in FILES:
            yield from (path for path in self.folder.glob(pattern) if not path.is_dir())

    def write_json(self, file: str, content: dict[str, Any]) -> None:
        """Write a JSON file whole or not at all."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.folder / file, text.encode())

    def read_json(self, file: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            RunError: It is missing or damaged, or lacks what is then asked for.
        """
        return read_record(self.folder / file)

    def append(self, file: str, line: dict[str, Any]) -> None:
        """Add a line to a JSON-lines file, which is replaced as a whole."""
        path = self.folder / file
        before = read_file(path, MAX_JSON_BYTES) if path.exists() else b""
        write_atomically(path, before + json.dumps(line).encode() + b"\n")

    def lines(self, file: str) -> list[dict[str, Any]]:
        """Read ``metrics.jsonl`` or ``timing.jsonl``: numbers by name, one of them the epoch.

        Raises:
            RunError: It is damaged, or a line lacks what is then asked for.
        """
        path = self.folder / file
        return check_epochs(read_json_lines(path), path) if path.exists() else []

    def rewind(self, position: Position) -> None:
        """Drop what was written after `position`: lines, files cut short."""
        for file in ("metrics.jsonl", "timing.jsonl"):
            kept = [line for line in self.lines(file) if line["epoch"] < position.epoch]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            write_atomically(self.folder / file, text.encode())
        for path in self.folder.glob(".*.tmp"):
            path.unlink()

    @property
    def has_weights(self) -> bool:
        """Whether the weights can be loaded; those of short studies are not published."""
        return (self.folder / "weights.safetensors").is_file()

    def save_weights(self, weights: dict[str, Tensor]) -> None:
        """Write ``weights.safetensors``."""
        write_tensors(self.folder / "weights.safetensors", weights)

    def load_weights(self) -> dict[str, Tensor]:
        """Read ``weights.safetensors``.

        Raises:
            RunError: It is missing or damaged.
        """
        path = self.folder / "weights.safetensors"
        if not path.exists():
            why = "was kept without them" if self.finished else "has not finished an epoch"
            raise RunError(f"{path} is missing: the run {why}")
        return read_tensors(path)[0]

    def save_state(self, state: dict[str, Tensor], position: Position) -> None:
        """Write a checkpoint, keeping the one before it."""
        newest, previous = (self.folder / file for file in CHECKPOINTS)
        metadata = {"epoch": str(position.epoch), "step": str(position.step)}
        write_tensors(newest, state, metadata, keep_as=previous)

    def load_states(
        self, say: Callable[[str], None] = lambda line: None
    ) -> dict[Position, dict[str, Tensor]]:
        """Read the checkpoints, newest first; a damaged one is set aside.

        Args:
            say: Takes a line about each damaged one.

        Raises:
            RunError: All are damaged, or one is of a newer format.
        """
        states: dict[Position, dict[str, Tensor]] = {}
        damaged: dict[Path, DamagedFileError] = {}
        for file in CHECKPOINTS:
            path = self.folder / file
            try:
                if path.exists():
                    state, metadata = read_tensors(path)
                    states.setdefault(_position(metadata, path), state)
            except DamagedFileError as error:
                damaged[path] = error
        if damaged and not states:
            faults = "\n".join(map(str, damaged.values()))
            raise RunError(f"{faults}\nno other checkpoint is left: --overwrite begins anew")
        for path, fault in damaged.items():
            path.replace(self.folder / DAMAGED)
            say(f"warning: {fault}")
            say(f"warning: the other checkpoint is used; the damaged one is now {DAMAGED}")
        return states


def _check_empty(folder: Path) -> None:
    """Refuse a folder that holds files, of which none makes it a run.

    Raises:
        UsageError: It does; the message names one.
    """
    strange = sorted(path.name for path in folder.iterdir() if path.name not in BEFORE_CONFIG)
    if strange:
        raise UsageError(
            f"{folder} is no run, for it has no {CONFIG}, but it is not empty: it holds"
            f" {strange[0]!r}; move that away, or put the run elsewhere with --name NAME"
        )


def _position(metadata: dict[str, str], path: Path) -> Position:
    try:
        return Position(int(metadata["epoch"]), int(metadata["step"]))
    except (KeyError, ValueError) as error:
        raise DamagedFileError(f"{path} does not say how far it had come") from error


def check_name(name: str) -> None:
    """Refuse names of experiments that would leave their folder.

    Raises:
        UsageError: The name is empty, absolute, or has a part such as ``..``.
    """
    parts = name.split("/")
    if not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._=,+-]*", part) for part in parts):
        raise UsageError(f"{name!r} is no name for a run: use letters, digits and . _ = , + - /")


def is_run(folder: Path) -> bool:
    """Say whether a folder holds a run."""
    return (folder / "config.yaml").is_file() and not is_published(folder)


def is_published(folder: Path) -> bool:
    """Say whether a folder holds a published experiment; see `lenet.runs.published`."""
    return (folder / "results.jsonl").is_file()


def read_record(path: Path) -> Record:
    """Read a JSON file that holds an object.

    Raises:
        DamagedFileError: It is missing or damaged.
    """
    try:
        content = json.loads(read_file(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    return check_record(content, path)


def read_json_lines(path: Path) -> list[Any]:
    """Read a file that holds a JSON value in each line.

    Raises:
        DamagedFileError: It is missing or damaged.
    """
    lines = read_file(path, MAX_JSON_BYTES).splitlines()
    with suppress(ValueError, RecursionError):  # all at once is three times as fast
        together = json.loads(b"[" + b",".join(lines) + b"]")
        if len(together) == len(lines):
            return list(together)
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error


def check_record(content: Any, path: Path) -> Record:
    """Return what was read from a file of a run, if it is an object with values of our `KINDS`.

    Raises:
        DamagedFileError: It is not.
    """
    if not isinstance(content, dict):
        raise DamagedFileError(f"{path} is damaged: expected an object")
    for key, value in content.items():
        kind = next((k for start, k in KINDS.items() if key.startswith(start)), object)
        if not isinstance(value, kind) or (kind in (int, NUMBER) and not _is_number(value)):
            raise DamagedFileError(f"{path} is damaged: {key} is {str(value)[:20]!r}")
    return Record(content, path)


def _is_number(value: Any) -> bool:
    """Say whether a value is a number that a run can have written: integers have 64 bits."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def check_epochs(found: Sequence[Any], path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of metrics, if each holds the numbers of an epoch.

    Raises:
        DamagedFileError: One does not; the message names it.
    """
    for number, line in enumerate(found, start=1):
        if not (isinstance(line, dict) and isinstance(line.get("epoch"), int)):
            raise DamagedFileError(f"{path}:{number} is damaged: expected an epoch's numbers")
        if not all(map(_is_number, line.values())):
            key = next(key for key, value in line.items() if not _is_number(value))
            raise DamagedFileError(f"{path}:{number} is damaged: {key} is no number")
    return [Record(line, path) for line in found]
