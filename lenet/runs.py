"""The run folder: one training, understandable in ten years.

config.yaml            the resolved config; it runs again as it is
environment.json       versions, device, commit, data checksums
metrics.jsonl          one line per pass, the same bits whenever the run is repeated
timing.jsonl           one line per pass: seconds and images per second
result.json            the errors of the finished run; its presence means finished
weights.safetensors    the weights of the result
state.safetensors      what resuming needs; state.previous.safetensors is the one before
events.out.tfevents.*  TensorBoard's view of the above
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lenet import configfile
from lenet.config import Config
from lenet.errors import RunError, UsageError

FORMAT = 1
"""Version of the folder's layout; a newer one is refused."""


@dataclass(frozen=True)
class Position:
    """How far a run has come: `step` updates into pass `pass_number`; the first pass is 1."""

    pass_number: int = 1
    step: int = 0


@dataclass(frozen=True)
class Run:
    """One training of one config with one seed, and its folder."""

    folder: Path
    config: Config

    @classmethod
    def create(cls, name: str, config: Config, root: Path, *, overwrite: bool = False) -> "Run":
        """Make the folder ``root/name/seed`` and write the config into it.

        Raises:
            UsageError: The name would leave `root`, the folder holds a run already, or it cannot be
                written.
        """
        check_name(name)
        folder = root / name / str(config.seed)
        if is_run(folder) and not overwrite:
            state = "a finished run" if (folder / "result.json").exists() else "an unfinished run"
            raise UsageError(
                f"{folder} holds {state}; --resume continues it, --overwrite replaces it,"
                " --name NAME puts this one elsewhere"
            )
        run = cls(folder, config)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in run.files():
                path.unlink()
            write_atomically(folder / "config.yaml", configfile.dump(config).encode())
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Open an existing run.

        Raises:
            UsageError: The folder is no run, or its config is damaged.
        """
        folder = Path(folder)
        if not is_run(folder):
            raise UsageError(f"{folder} is no run folder: it has no config.yaml")
        return cls(folder, configfile.load(folder / "config.yaml").config)

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

    def files(self) -> Iterator[Path]:
        """Yield the files that a run of this format writes, as far as they exist."""
        for pattern in (
            "*.json", "*.jsonl", "*.safetensors", "config.yaml", "events.out.tfevents.*"
        ):  # fmt: skip
            yield from self.folder.glob(pattern)

    def write_json(self, file: str, content: dict[str, Any]) -> None:
        """Write a JSON file whole or not at all."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.folder / file, text.encode())

    def read_json(self, file: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            RunError: It is missing or damaged.
        """
        path = self.folder / file
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise RunError(f"{path} is damaged: expected an object")
        return content

    def append(self, file: str, line: dict[str, Any]) -> None:
        """Append a line to a JSON-lines file and wait until it is on the disk."""
        with (self.folder / file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def lines(self, file: str) -> list[dict[str, Any]]:
        """Read a JSON-lines file; a last line cut short by a crash is left out."""
        path = self.folder / file
        if not path.exists():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def rewind(self, position: Position) -> None:
        """Drop the lines of passes that are not finished at `position`."""
        for file in ("metrics.jsonl", "timing.jsonl"):
            kept = [line for line in self.lines(file) if line["pass"] < position.pass_number]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            write_atomically(self.folder / file, text.encode())

    def save_weights(self, weights: dict[str, Tensor]) -> None:
        """Write ``weights.safetensors``."""
        tensors = {name: value.cpu().contiguous() for name, value in weights.items()}
        write_atomically(self.folder / "weights.safetensors", save(tensors))

    def load_weights(self) -> dict[str, Tensor]:
        """Read ``weights.safetensors``.

        Raises:
            RunError: It is missing or damaged.
        """
        return _read_tensors(self.folder / "weights.safetensors")[0]

    def save_state(self, state: dict[str, Tensor], position: Position) -> None:
        """Write a checkpoint, keeping the one before it."""
        metadata = {
            "format": str(FORMAT),
            "pass": str(position.pass_number),
            "step": str(position.step),
        }
        current = self.folder / "state.safetensors"
        content = save({k: v.contiguous() for k, v in state.items()}, metadata)
        if current.exists():
            current.replace(self.folder / "state.previous.safetensors")
        write_atomically(current, content)

    def load_state(self) -> tuple[dict[str, Tensor], Position] | None:
        """Read the newest checkpoint, or return None if there is none.

        Raises:
            RunError: It is damaged, or of a newer format.
        """
        for file in ("state.safetensors", "state.previous.safetensors"):
            path = self.folder / file
            if path.exists():
                state, metadata = _read_tensors(path)
                if int(metadata["format"]) > FORMAT:
                    raise RunError(
                        f"{path} has format {metadata['format']}, this version reads {FORMAT}"
                    )
                return state, Position(int(metadata["pass"]), int(metadata["step"]))
        return None


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
    return (folder / "config.yaml").is_file()


def find_runs(root: Path) -> list[Run]:
    """Return the readable runs below a folder, by path."""
    found = []
    for path in sorted(root.rglob("config.yaml")):
        try:
            found.append(Run.open(path.parent))
        except UsageError:
            continue
    return found


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside it first, onto the disk, then in its place."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
