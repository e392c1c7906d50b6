"""A network as two files of C99 for a microcontroller: integers only, no heap, no dependencies.

The files are templates in ``c/``; `lenet.export.integers` computes the same in Python, bit for bit.
"""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from torch import Tensor
from torch.nn import functional as F

from lenet.errors import RunError
from lenet.export.integers import HALF, IntegerNetwork, quantize_network
from lenet.export.request import Request
from lenet.runs.files import write_atomically
from lenet.runs.run import Run

WEIGHTS = {
    8: {
        "weight_type": "int8_t",
        "packed": "",
        "dot": """\
    for (weight += place; n > 0; n--, state += step)
        sum += *weight++ * *state;
""",
    },
    4: {
        "weight_type": "uint8_t",
        "packed": ", two to a byte",
        "dot": """\
    weight += place / 2;
    if (place % 2) {
        sum += ((*weight++ >> 4) - 8) * *state;
        state += step, n--;
    }
    for (; n > 1; n -= 2, weight++, state += 2 * step)
        sum += ((*weight & 15) - 8) * *state + ((*weight >> 4) - 8) * state[step];
    if (n > 0)
        sum += ((*weight & 15) - 8) * *state;
""",
    },
}
"""How weights are stored and multiplied, by their bits: a byte each, or, plus 8, two to a byte, the
low bits first."""
STROKES = """Unless one is like
 * MNIST's images, a digit is looked for, dark on light or light on dark, and centred as there."""
RESIZED = """Those of another size are
 * stretched to it, as lenet does."""
"""What ``main.c`` says of other pictures."""
SCALING = """
/* 256ths of the image's rows that each row of a smaller one has, and of the columns. */
$array
/* Scale an image. */
static void shrink(const uint8_t *image, uint8_t *out)
{
    const uint8_t *down, *right;
    int c, row, column;

    for (down = share; down < share + $size * $height; down += $height)
        for (right = share; right < share + $size * $height; right += $height)
            for (c = 0; c < $channels; c++) {
                int32_t sum = 0x8000; /* half a grey level */
                for (row = 0; row < $height; row++)
                    for (column = 0; down[row] && column < $height; column++)
                        sum += (int32_t)down[row] * right[column]
                            * image[(row * $height + column) * $channels + c];
                *out++ = (uint8_t)(sum >> 16);
            }
}
"""
"""Of networks whose images are scaled."""
CENTRED = """\
As in MNIST, the strokes are bright, fit into 5/7 of the height, and have their centre of mass in
the middle; `place` and the functions before it in `main.c` bring a picture there."""
"""What the image shows, in the README."""
CROSS = "arm-none-eabi-"
"""Of the cross compiler, Debian's gcc-arm-none-eabi, and its tools."""
CORES = ("cortex-m0", "cortex-m4")
"""What it measures the memory for."""


@dataclass(frozen=True)
class Memory:
    """What a compiled network needs, in bytes.

    Attributes:
        flash: Code and constants, the compiler's own functions included.
        ram: The states of the layers; the image and the stack come on top.
        stack: Most that its functions need.
    """

    flash: int
    ram: int
    stack: int


def name_files(run: Run, path: Path) -> list[Path]:
    """Return the files that `export_c` writes into the folder `path`."""
    name = identifier(run)
    return [path / file for file in (f"{name}.h", f"{name}.c", "main.c", "README.md")]


def identifier(run: Run) -> str:
    """Return the experiment's name as C writes names; `main` is the host program's."""
    name = re.sub(r"\W+", "_", run.folder.parent.name, flags=re.ASCII).strip("_") or "lenet"
    return f"net_{name}" if name[0].isdigit() or name == "main" else name


def export_c(request: Request) -> str:
    """Write ``NAME.h``, ``NAME.c``, ``main.c`` and ``README.md`` into a folder.

    Raises:
        UsageError: The network has parts that integers do not cover; they are named.
        RunError: The training images are missing.
    """
    images = request.training_images()
    classifier = request.classifier
    network = quantize_network(classifier, images, request.weight_bits)
    name = identifier(request.run)
    about = f"Network: {request.run.config.model.kind}, from {request.run.folder.parent.name}."
    strokes = not classifier.data.whole_pictures and classifier.data.channels == 1
    sources = write_sources(network, name, classifier.data.classes, about, strokes)
    request.path.mkdir(parents=True, exist_ok=True)
    for path in name_files(request.run, request.path):
        write_atomically(path, sources[path.name].encode())
    same = network.classify(images) == classifier.classify(classifier.infer(images))
    return (
        f"{constant_bytes(network):,} bytes of constants, {sum(state_bytes(network)):,} of states;"
        f" same class as in floating point on {int(same.sum()):,} of {len(images):,} training"
        " images"
    )


def write_sources(
    network: IntegerNetwork, name: str, classes: Iterable[str], about: str, strokes: bool
) -> dict[str, str]:
    """Return the content of each file.

    Args:
        network: To be written.
        name: What its functions and files are called, a C identifier.
        classes: Their names, in the order of the labels.
        about: A line on the network.
        strokes: Whether pictures show strokes, on paper or on a board, that are to be found.
    """
    channels, height, width = network.shape
    names = [*classes]
    values = {
        "title": f"{name}: an image of {width} x {height} pixels to one of {len(names)} classes",
        "about": about,
        "name": name,
        "NAME": name.upper(),
        "channels": channels,
        "height": height,
        "width": width,
        "pixels": channels * height * width,
        "classes": len(names),
        "interleaved": " of three bytes, red, green and blue" if channels == 3 else "",
        "names": ", ".join(_quote(text) for text in names),
        "depth": len(network.layers),
        "last": 2 * HALF - 1,
        "strokes": int(strokes),
        "reads": "finds the digit in a picture and reads it" if strokes else "reads pictures",
        "expects": CENTRED if strokes else "It shows what the training images show.",
        "prepared": STROKES if strokes else RESIZED,
        "suffix": "ppm" if channels == 3 else "pgm",
        "magic": "PPM" if channels == 3 else "PGM",
        "digit": 6 if channels == 3 else 5,
        **WEIGHTS[network.bits],
        **_write_layers(network),
    }
    code = _fill("network.c", values)
    lines = [
        f"weights, biases and tables: {constant_bytes(network):,} bytes"
        f" ({network.bits} bits a weight)",
        f"layer states: {sum(state_bytes(network)):,} bytes",
        *_measure(code, _fill("network.h", values | {"memory": ""}), name),
    ]
    values["memory"] = "\n".join(f" *   {line}" for line in lines)
    values["memory_list"] = "\n".join(f"- {line}" for line in lines)
    return {
        f"{name}.h": _fill("network.h", values),
        f"{name}.c": code,
        "main.c": _fill("main.c", values),
        "README.md": _fill("README.md", values),
    }


def constant_bytes(network: IntegerNetwork) -> int:
    """Return how many bytes the weights, biases, multipliers and tables take."""
    per_layer = (
        -(-layer.weight.numel() * network.bits // 8)
        + 8 * len(layer.bias)
        + (0 if layer.table is None else len(layer.table))
        for layer in network.layers
    )
    return sum(per_layer) + (0 if network.scaling is None else network.scaling.numel())


def state_bytes(network: IntegerNetwork) -> tuple[int, int]:
    """Return the bytes of the two buffers that layers write into by turns."""
    size, sizes = network.size, []
    scaled = [] if network.scaling is None else [network.shape[0] * size**2]
    for layer in network.layers[:-1]:
        size = layer.places(size)
        sizes.append(len(layer.weight) * size**2)
    return max([1, *sizes[::2]]), max([1, *scaled, *sizes[1::2]])


def _write_layers(network: IntegerNetwork) -> dict[str, object]:
    """Return the arrays of all layers and the table that refers to them."""
    arrays, rows = [], []
    size = network.size
    for number, layer in enumerate(network.layers):
        weights = layer.weight.permute(0, 2, 3, 1).flatten()  # channels innermost
        if network.bits == 4:
            weights = F.pad(weights, (0, len(weights) % 2)) + 8
            weights = weights[::2] | weights[1::2] << 4
        kind = WEIGHTS[network.bits]["weight_type"]
        bias = layer.bias - layer.zero * layer.weight.sum(dim=(1, 2, 3))
        arrays += [
            f"/* {layer.name} */",
            _array(kind, f"weight{number}", weights),
            _array("int32_t", f"bias{number}", bias),
            _array("int32_t", f"multiplier{number}", layer.multiplier),
        ]
        table = "NULL"
        if layer.table is not None:
            table = f"table{number}"
            arrays.append(_array("uint8_t", table, layer.table))
        after = layer.places(size)
        fields = (
            f"weight{number}", f"bias{number}", f"multiplier{number}", table,
            layer.groups, layer.weight.shape[1], len(layer.weight) // layer.groups, size, after,
            layer.weight.shape[-1], layer.stride, layer.padding, layer.pool,
            layer.shift, layer.outside, layer.new_zero if layer.table is None else HALF,
        )  # fmt: skip
        rows.append(f"    {{{', '.join(map(str, fields))}}},")
        size = after
    even, odd = state_bytes(network)
    scaling = scaled = ""
    if network.scaling is not None:
        array = _array("uint8_t", "share", network.scaling.flatten())
        channels, height, _ = network.shape
        values = {"array": array, "size": network.size, "height": height, "channels": channels}
        scaling = Template(SCALING).substitute(values)
        scaled = "    shrink(image, odd);\n    in = odd;\n"
    return {
        "scaling": scaling,
        "scaled": scaled,
        "arrays": "\n".join(arrays) + "\n",
        "layers": "\n".join(rows),
        "even": even,
        "odd": odd,
    }


def has_cross_compiler() -> bool:
    """Say whether the cross compiler is installed."""
    return all(shutil.which(CROSS + tool) for tool in ("gcc", "size"))


def measure_memory(folder: Path, name: str, core: str) -> Memory:
    """Compile ``NAME.c`` of a folder for size, for one of `CORES`, and return what it needs.

    Raises:
        RunError: The compiler fails.
    """
    options = [f"-mcpu={core}", "-mthumb", "-std=c99", "-Os", "-fstack-usage"]
    entry = ["-nostdlib", f"-Wl,--entry={name}_predict"]
    run_tool(folder, f"{CROSS}gcc", *options, "-c", f"{name}.c")
    run_tool(folder, f"{CROSS}gcc", *options, *entry, f"{name}.o", "-lgcc", "-o", f"{name}.elf")
    flash, _ = _read_size(run_tool(folder, f"{CROSS}size", f"{name}.elf"))
    _, ram = _read_size(run_tool(folder, f"{CROSS}size", f"{name}.o"))  # linking aligns its end
    # No function is called twice at a time: their frames together are the most there can be.
    frames = (folder / f"{name}.su").read_text().splitlines()
    stack = sum(int(line.split("\t")[1]) for line in frames)
    return Memory(flash, ram, stack)


def run_tool(folder: Path, *command: str, given: bytes = b"") -> bytes:
    """Run a program in a folder, and return what it prints.

    Raises:
        RunError: It fails.
    """
    try:
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, input=given)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise RunError(f"{command[0]}: {said.decode(errors='replace').strip()}") from error
    return done.stdout


def _read_size(printed: bytes) -> tuple[int, int]:
    """Return the bytes of flash and of RAM of what ``size`` prints."""
    text, data, bss = map(int, printed.splitlines()[1].split()[:3])
    return text + data, data + bss


def _measure(code: str, header: str, name: str) -> list[str]:
    """Return lines on the flash, the RAM and the stack of the compiled network."""
    with TemporaryDirectory() as path:
        folder = Path(path)
        (folder / f"{name}.h").write_text(header)
        (folder / f"{name}.c").write_text(code)
        if has_cross_compiler():
            measured = ((core, measure_memory(folder, name, core)) for core in CORES)
            return [
                f"{core}: flash {memory.flash:,} bytes, RAM {memory.ram:,} bytes, stack"
                f" {memory.stack:,} bytes"
                for core, memory in measured
            ]
        if shutil.which("cc") and shutil.which("size"):
            run_tool(folder, "cc", "-std=c99", "-Os", "-c", f"{name}.c")
            flash, ram = _read_size(run_tool(folder, "size", f"{name}.o"))
            return [f"this computer: flash {flash:,} bytes, RAM {ram:,} bytes"]
    return ["flash and RAM were not measured: no C compiler was found"]


def _fill(file: str, values: dict[str, object]) -> str:
    template = (files(__package__) / "c" / file).read_text(encoding="utf-8")
    return Template(template).substitute(values)


def _array(kind: str, name: str, values: Tensor) -> str:
    numbers = textwrap.fill(
        ", ".join(map(str, values.tolist())), 96, initial_indent="    ", subsequent_indent="    "
    )
    return f"static const {kind} {name}[{len(values)}] = {{\n{numbers}\n}};"


def _quote(text: str) -> str:
    """Return a C string; bytes outside printable ASCII are written in octal."""
    return (
        '"'
        + "".join(
            chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
            for byte in text.encode()
        )
        + '"'
    )
