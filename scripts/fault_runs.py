#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Let every file operation of a run fail, resume the run, and compare it with an untroubled one.

A run's command is repeated, each time with a fault in another of its operations on files of the
run: the process is killed there, the disk is full, an I/O error occurs, the disk has become
read-only; the errors once, or from then on. No fault may end in a traceback, and after the same
command without a fault all files, pictures and TensorBoard's events must be those of a run without
any. Needs a system with fork and SIGKILL.

    scripts/fault_runs.py                  # all, an hour on one core
    scripts/fault_runs.py --sample 20      # that many of them, evenly spread
"""

import argparse
import errno
import functools
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch

import lenet.figures.tensorboard
from lenet.cli import app
from lenet.figures.style import new_figure
from lenet.runs.events import PREFIX, find_events, read_events
from lenet.training import experiment
from lenet.training.tensorboard import NOT_REPEATED

SETTINGS = (
    "data.name=mnist-sample", "data.train_size=100", "data.validation=50", "train.epochs=2",
    "train.batch_size=50", "train.checkpoint_steps=1", "train.no_augment_epochs=0",
)  # fmt: skip
FIGURES = ("errors", "confusion")
"""Names of the figures, which are empty here."""

READS, WRITES, REMOVES = "read", "write", "remove"
TRACEBACK = 70
"""Exit code of a child that ended in an exception which nobody explained."""

MODES: dict[str, tuple[int | None, tuple[str, ...], bool]] = {
    "killed": (None, (READS, WRITES, REMOVES), False),
    "full once": (errno.ENOSPC, (WRITES,), False),
    "full": (errno.ENOSPC, (WRITES,), True),
    "I/O error once": (errno.EIO, (READS, WRITES, REMOVES), False),
    "I/O errors": (errno.EIO, (READS, WRITES, REMOVES), True),
    "read-only once": (errno.EROFS, (WRITES, REMOVES), False),
    "read-only": (errno.EROFS, (WRITES, REMOVES), True),
}
"""By name: the error (None: SIGKILL), the operations that it strikes, whether it stays."""


class Faults:
    """Counts a process's operations on files below a folder, and lets some of them fail.

    Args:
        folder: Operations elsewhere are left alone.
        mode: A key of `MODES`.
        strike: The first operation that fails, counted from 0; None: none does.
    """

    def __init__(self, folder: Path, mode: str, strike: int | None) -> None:
        self.folder = str(folder)
        self.error, self.kinds, self.stays = MODES[mode]
        self.strike = strike
        self.operations: list[tuple[str, str]] = []
        self.descriptors: set[int] = set()

    def install(self) -> None:
        """Take the place of this process's file operations."""
        for name, kind in {
            "replace": WRITES, "rename": WRITES, "mkdir": WRITES, "unlink": REMOVES,
            "remove": REMOVES, "rmdir": REMOVES, "stat": READS, "lstat": READS, "scandir": READS,
            "listdir": READS, "fsync": WRITES, "ftruncate": WRITES, "write": WRITES,
        }.items():  # fmt: skip
            setattr(os, name, self.guarded(getattr(os, name), kind))
        open_descriptor, open_stream, close_descriptor = os.open, io.open, os.close

        @functools.wraps(open_descriptor)
        def os_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            kind = WRITES if flags & (os.O_WRONLY | os.O_RDWR) else READS
            mine = self.concerns(path)
            if mine:
                self.check("open", kind, path)
            descriptor = open_descriptor(path, flags, *rest, **options)
            if mine:
                self.descriptors.add(descriptor)
            return descriptor

        @functools.wraps(open_stream)
        def stream_open(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if not self.concerns(path):
                return open_stream(path, mode, *rest, **options)
            self.check("open", READS if mode in ("r", "rb", "rt") else WRITES, path)
            return Stream(open_stream(path, mode, *rest, **options), self, path)

        @functools.wraps(close_descriptor)
        def os_close(descriptor: int) -> None:
            self.descriptors.discard(descriptor)  # its number may next be that of another file
            close_descriptor(descriptor)

        os.open = os_open
        os.close = os_close
        io.open = stream_open
        __builtins__.open = stream_open

    def guarded(self, function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """Return a function that may fail before it does anything."""

        @functools.wraps(function)
        def call(path: Any, *rest: Any, **options: Any) -> Any:
            if self.concerns(path):
                self.check(function.__name__, kind, path)
            return function(path, *rest, **options)

        return call

    def concerns(self, path: Any) -> bool:
        """Say whether a path, or what a descriptor is open on, lies below the folder."""
        if isinstance(path, int):
            return path in self.descriptors
        return os.path.abspath(os.fsdecode(path)).startswith(self.folder)  # noqa: PTH100

    def check(self, name: str, kind: str, path: Any) -> None:
        """Count an operation; raise or die if it is one to fail."""
        number = len(self.operations)
        self.operations.append((kind, f"{name} {path}"))
        if self.strike is None or number < self.strike or (number > self.strike and not self.stays):
            return
        if kind not in self.kinds:
            return
        if self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error), str(path))


class Stream:
    """A file whose operations may fail; a write fails half-way."""

    def __init__(self, stream: Any, faults: Faults, path: Any) -> None:
        self.stream, self.faults, self.path = stream, faults, path
        faults.descriptors.add(stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Any:
        return iter(self.stream)

    def write(self, content: Any) -> int:
        """Write all, or half and fail."""
        try:
            self.faults.check("write", WRITES, self.path)
        except OSError:
            self.stream.write(content[: len(content) // 2])
            self.stream.flush()
            raise
        return self.stream.write(content)

    def read(self, *size: int) -> Any:
        """Read."""
        self.faults.check("read", READS, self.path)
        return self.stream.read(*size)

    def close(self) -> None:
        """Close; what fails has closed the file all the same."""
        self.faults.descriptors.discard(self.stream.fileno() if not self.stream.closed else -1)
        self.stream.close()


def train(runs: Path, seeds: int) -> int:
    """Run the command in this process; return its exit code."""
    sys.argv[1:] = ["train", "quickstart", "--runs", str(runs), "--name", "run", "--resume"]
    sys.argv += ["--seeds", str(seeds)]
    sys.argv += [word for setting in SETTINGS for word in ("--set", setting)]
    # Which way of training seeds is faster is measured, and a busy machine may choose another one.
    experiment.is_faster_together = lambda *_: False
    try:
        app(sys.argv[1:])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def run(
    runs: Path, seeds: int, mode: str = "killed", strike: int | None = None
) -> tuple[int, list[tuple[str, str]], str]:
    """Train in a child process, with a fault or without.

    Returns:
        Its exit status (negative: the signal), its operations (of a child that was not killed), and
        what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, counted = Path(folder) / "output", Path(folder) / "operations"
        process = os.fork()
        if process == 0:
            code = TRACEBACK
            # Descriptors above: the child's own files must not take 1 and 2.
            descriptor = os.open(output, os.O_CREAT | os.O_WRONLY)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            faults = Faults(runs, mode, strike)
            try:
                faults.install()
                code = train(runs, seeds)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                faults.strike = None
                counted.write_text(json.dumps(faults.operations))
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        operations = json.loads(counted.read_text()) if counted.exists() else []
        return status, operations, output.read_text(errors="replace")


def contents(folder: Path) -> dict[str, Any]:
    """Return what a run's folder holds, but for seconds, checkpoints and the names of events."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith("state."):
            if name != "state.previous.safetensors":  # of a run that was resumed at its end
                found[name] = True
        elif name == "timing.jsonl":
            found[name] = [json.loads(line)["epoch"] for line in path.read_text().splitlines()]
        elif not name.startswith(PREFIX):
            found[name] = path.read_bytes()
    for suffix in ("", "figures"):
        shown: dict[str, Any] = {}
        for event in read_events(find_events(folder, suffix)):
            if event.HasField("session_log"):
                shown.clear()
            for value in event.summary.value:
                tag = f"{value.tag} {event.step}"
                if value.tag not in NOT_REPEATED:
                    shown[tag] = [*shown.get(tag, []), value.SerializeToString()]
        found[f"events {suffix}"] = shown
    return found


def differences(one: dict[str, Any], other: dict[str, Any], where: str = "") -> list[str]:
    """Return which files, and which of TensorBoard's values, differ."""
    different = []
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            different += differences(a, b, f"{where}{name}: ")
        elif a != b:
            state = "missing" if b is None else "too much" if a is None else "different"
            different.append(f"{where}{name} is {state}")
    return different


def main() -> int:
    """Fail, resume, compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=None, help="faults to try, instead of all")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the command")
    parser.add_argument("--verbose", action="store_true", help="print what each command printed")
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive a fork
    # Real ones take seconds, and are written in the same way.
    lenet.figures.tensorboard.FIGURES = dict.fromkeys(FIGURES, lambda subject: new_figure(0.5))
    seeds, faults = range(options.seeds), list[str]()
    with tempfile.TemporaryDirectory(prefix="lenet-faults-") as folder:
        top = Path(folder)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            train(
                top / "warm" / "runs", options.seeds
            )  # imports, compiles and loads once for all children
        status, operations, printed = run(top / "straight" / "runs", options.seeds)
        if status:
            print(printed)
            return 1
        straight = [contents(top / "straight" / "runs" / "run" / str(n)) for n in seeds]
        cases = [
            (mode, strike, what)
            for mode, (_, kinds, _) in MODES.items()
            for strike, (kind, what) in enumerate(operations)
            if kind in kinds
        ]
        print(f"{len(operations)} operations, {len(cases)} possible faults", flush=True)
        if options.sample:
            cases = cases[:: max(len(cases) // options.sample, 1)]
        for number, (mode, strike, what) in enumerate(cases):
            runs = top / str(number) / "runs"
            where = f"{mode} at operation {strike}, {what.replace(f'{top}/straight/', '')}"
            for fault in (strike, None):
                status, _, printed = run(runs, options.seeds, mode, fault)
                if options.verbose:
                    print(f"== {where}: {status}\n{printed}", flush=True)
                if status == TRACEBACK or "Traceback" in printed or "ignored in" in printed:
                    faults.append(f"{where}: ends in a traceback\n{printed}")
            if status:
                faults.append(f"{where}: cannot be resumed: {printed}")
            else:
                for seed in seeds:
                    found = differences(straight[seed], contents(runs / "run" / str(seed)))
                    faults += [f"{where}: seed {seed}: {each}" for each in found]
            for path in sorted(runs.parent.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            if number % 100 == 99:
                print(f"{number + 1} of {len(cases)}, {len(faults)} differences", flush=True)
    print("\n".join(faults))
    print(f"{len(cases)} faults in {len(MODES)} kinds: {len(faults) or 'no'} differences")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
