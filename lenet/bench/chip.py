"""Networks on a microcontroller: memory, errors and instructions per image, on emulated cores."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from lenet.errors import RunError, UsageError
from lenet.evaluation.classifier import load_classifier
from lenet.export.c import (
    CORES,
    CROSS,
    Memory,
    measure_memory,
    run_tool,
    write_sources,
)
from lenet.export.integers import IntegerNetwork, quantize_network
from lenet.export.request import Request
from lenet.runs.find import open_runs
from lenet.runs.run import Run
from lenet.tables import Table
from lenet.training.experiment import load_data

RUNS = tuple(
    f"published:{name}/0"
    for name in ("chip-fine-tuned", "chip", "lenet5-4bit", "lenet5", "compact")
)
IMAGES = 20
"""Test images that the emulated cores read."""
QEMU = "qemu-system-arm"
MACHINES = {"cortex-m0": ("microbit", 62.5), "cortex-m4": ("mps2-an386", 40.0)}
"""The emulated machine of each core, and the nanoseconds of a tick of its clock. The emulated time
goes on by a nanosecond per instruction."""


@dataclass(frozen=True)
class Row:
    """One network."""

    run: str
    parameters: int
    bits: int
    """Of each weight."""
    float_errors: int
    """Of the test images, as the run counted them."""
    errors: int
    """In integers, as the C code computes."""
    memory: dict[str, Memory]
    """By core."""
    instructions: dict[str, int]
    """For an image, the mean, by core."""

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return asdict(self)


def measure(names: Sequence[str], data: Path | None, images: int = IMAGES) -> list[Row]:
    """Return what networks need on each core, and how many errors they make.

    Args:
        names: Runs, one seed each; none: `RUNS`.
        data: A folder to look for the datasets in first.
        images: Test images that the emulated cores read.

    Raises:
        UsageError: The cross compiler or the emulator is missing, or a network is not covered.
        RunError: The emulated core's logits are not those of the integer network.
    """
    missing = [tool for tool in (f"{CROSS}gcc", f"{CROSS}size", QEMU) if not shutil.which(tool)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not found: install gcc-arm-none-eabi and qemu-system-arm"
        )
    runs = []
    for name in names or RUNS:
        found = open_runs(name)
        if len(found) > 1:
            raise UsageError(f"{name} holds several runs: name one, {name}/{found[0].seed}")
        runs.append((name, found[0]))
    return [_measure_run(name, run, data, images) for name, run in runs]


def _measure_run(name: str, run: Run, data: Path | None, images: int) -> Row:
    classifier = load_classifier(run)
    config = run.config
    with TemporaryDirectory() as path:
        folder = Path(path)
        request = Request(run, classifier, folder, data=data)
        bits = request.weight_bits
        network = quantize_network(classifier, request.training_images(), bits)
        test = load_data(config, data).test
        sources = write_sources(network, "network", classifier.data.classes, name, strokes=False)
        for file, text in sources.items():
            (folder / file).write_text(text)
        seen = test.images[:images]
        expected = network(seen).numpy()
        memory, instructions = {}, {}
        for core in CORES:
            memory[core] = measure_memory(folder, "network", core)
            logits, instructions[core] = emulate(folder, core, network, seen.numpy())
            if not (logits == expected).all():
                raise RunError(f"{name}: the emulated {core} gives other logits than Python")
        return Row(
            name,
            sum(weight.numel() for weight in classifier.model.parameters()),
            bits,
            run.read_json("result.json")["errors/test"],
            int((network.classify(test.images) != test.labels).sum()),
            memory,
            instructions,
        )


def emulate(
    folder: Path, core: str, network: IntegerNetwork, images: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int32], int]:
    """Run ``network.c`` of a folder on an emulated core.

    Args:
        folder: Holds ``network.c`` and ``network.h``.
        core: One of `CORES`.
        network: What they compute.
        images: (N, C, H, W).

    Returns:
        The logits, (N, classes), and the mean number of instructions of an image.

    Raises:
        RunError: The compiler or the emulator fails.
    """
    machine, tick = MACHINES[core]
    classes, (channels, height, width) = len(network.layers[-1].weight), network.shape
    with as_file(files(__package__) / "board") as board:
        run_tool(
            folder, f"{CROSS}gcc", f"-mcpu={core}", "-mthumb", "-Os", "-nostdlib", "-I.",
            '-DNETWORK="network.h"', f"-DPIXELS={channels * height * width}",
            f"-DCLASSES={classes}", "-DPREDICT=network_predict",
            "-T", str(board / "board.ld"), str(board / "board.c"), "network.c", "-lgcc",
            "-o", "board.elf",
        )  # fmt: skip
    written = run_tool(
        folder, QEMU, "-machine", machine, "-kernel", "board.elf", "-icount", "shift=0",
        "-display", "none", "-serial", "none", "-monitor", "none",
        "-semihosting-config", "enable=on,target=native",
        given=np.ascontiguousarray(images.transpose(0, 2, 3, 1)).tobytes(),
    )  # fmt: skip
    values = np.frombuffer(written, dtype="<i4")
    if len(values) != len(images) * (classes + 1):
        raise RunError(f"{QEMU} stopped after {len(values) // (classes + 1)} images")
    rows = values.reshape(len(images), classes + 1)
    return rows[:, :-1], round(float(rows[:, -1].mean()) * tick)


def table(rows: Sequence[Row]) -> Table:
    """Return the measurements as a table."""
    cores = [core.replace("cortex-m", "M") for core in CORES]
    head = ["network", "parameters", "bits", "errors", "errors in C", "flash", "RAM", "stack"]
    head += [f"instructions, {core}" for core in cores]
    lines = []
    for row in rows:
        least = row.memory[CORES[0]]
        numbers = [row.parameters, row.bits, row.float_errors, row.errors]
        numbers += [least.flash, least.ram, least.stack, *row.instructions.values()]
        lines.append([row.run, *(f"{number:,}" for number in numbers)])
    least_needed = [head.index(name) for name in ("stack", "parameters", "bits")]
    return Table(head, lines, optional=least_needed)
