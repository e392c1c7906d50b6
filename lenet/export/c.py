"""A network as two files of C99 for a microcontroller: integers only, no heap, no dependencies.

The files are templates in ``c/``; `lenet.export.integers` computes the same in Python, bit for bit.
"""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from torch import Tensor
from torch.nn import functional as F

from lenet.data.sources import SOURCES
from lenet.errors import RunError
from lenet.export.integers import HALF, IntegerNetwork, quantize_network
from lenet.export.request import Request
from lenet.runs.files import write_atomically
from lenet.runs.run import Run

COMPILERS = (
    ("arm-none-eabi-gcc", "arm-none-eabi-size", "-mcpu=cortex-m0 -mthumb"),
    ("cc", "size", ""),
)
"""Compilers that measure the memory, the first that is installed; their `size`; their target."""


def name_files(run: Run, path: Path) -> list[Path]:
    """Return the files that `export_c` writes into the folder `path`."""
    name = identifier(run)
    return [path / file for file in (f"{name}.h", f"{name}.c", "main.c", "README.md")]


def identifier(run: Run) -> str:
    """Return the experiment's name as C writes names."""
    return re.sub(r"\W+", "_", f"{run.folder.parent.name}", flags=re.ASCII).strip("_") or "lenet"


def export_c(request: Request) -> str:
    """Write ``NAME.h``, ``NAME.c``, ``main.c`` and ``README.md`` into a folder.

    The weights have as many bits as the config's ``quantize`` says, 8 by default.

    Raises:
        UsageError: The network has parts that integers do not cover; they are named.
        RunError: The training images are missing.
    """
    images = request.training_images()
    classifier = request.classifier
    quantize = request.run.config.quantize
    network = quantize_network(classifier, images, bits=quantize.weights if quantize else 8)
    name = identifier(request.run)
    about = f"Network: {request.run.config.model.kind}, from {request.run.folder.parent.name}."
    inverted = request.run.config.data.name in SOURCES and classifier.data.channels == 1
    sources = write_sources(network, name, classifier.data.classes, about, inverted)
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
    network: IntegerNetwork, name: str, classes: Iterable[str], about: str, inverted: bool
) -> dict[str, str]:
    """Return the content of each file.

    Args:
        network: To be written.
        name: What its functions and files are called, a C identifier.
        classes: Their names, in the order of the labels.
        about: A line on the network.
        inverted: Whether pictures of dark strokes on light paper are to be inverted.
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
        "half": HALF,
        "last": 2 * HALF - 1,
        "invert": int(inverted),
        "suffix": "ppm" if channels == 3 else "pgm",
        "magic": "PPM" if channels == 3 else "PGM",
        "digit": 6 if channels == 3 else 5,
        **_packing(network.bits),
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
    return sum(per_layer)


def state_bytes(network: IntegerNetwork) -> tuple[int, int]:
    """Return the bytes of the two buffers that layers write into by turns."""
    size, sizes = network.shape[1], []
    for layer in network.layers[:-1]:
        size = layer.places(size)
        sizes.append(len(layer.weight) * size**2)
    return max([1, *sizes[::2]]), max([1, *sizes[1::2]])


def _write_layers(network: IntegerNetwork) -> dict[str, object]:
    """Return the arrays of all layers and the table that refers to them."""
    arrays, rows = [], []
    channels, size = network.shape[:2]
    for number, layer in enumerate(network.layers):
        weights = layer.weight.permute(0, 2, 3, 1).flatten()  # channels innermost
        if network.bits == 4:
            weights = F.pad(weights, (0, len(weights) % 2)) & 15
            weights = weights[::2] | weights[1::2] << 4
        kind = "uint8_t" if network.bits == 4 else "int8_t"
        arrays += [
            f"/* {layer.name} */",
            _array(kind, f"weight{number}", weights),
            _array("int32_t", f"bias{number}", layer.bias),
            _array("int32_t", f"multiplier{number}", layer.multiplier),
        ]
        table = "NULL"
        if layer.table is not None:
            table = f"table{number}"
            arrays.append(_array("uint8_t", table, layer.table))
        after = layer.places(size)
        fields = (
            f"weight{number}", f"bias{number}", f"multiplier{number}", table,
            channels, len(layer.weight), layer.groups, size, after,
            layer.weight.shape[-1], layer.stride, layer.padding, layer.pool,
            layer.shift, layer.zero, layer.outside, layer.new_zero,
        )  # fmt: skip
        rows.append(f"    {{{', '.join(map(str, fields))}}},")
        channels, size = len(layer.weight), after
    even, odd = state_bytes(network)
    return {
        "arrays": "\n".join(arrays) + "\n",
        "layers": "\n".join(rows),
        "even": even,
        "odd": odd,
    }


def _packing(bits: int) -> dict[str, str]:
    """Return how the weights are stored and read: a byte each, or two to a byte."""
    if bits == 8:
        return {
            "weight_type": "int8_t",
            "packed": "",
            "weight_at": "l->weight[w + i]",
            "weight_function": "",
        }
    return {
        "weight_type": "uint8_t",
        "packed": ", two to a byte",
        "weight_at": "weight(l, w + i)",
        "weight_function": (
            "/* Return the weight of a place: 4 bits in two's complement, the low ones first. */\n"
            "static int weight(const struct layer *l, size_t place)\n"
            "{\n"
            "    const int bits = l->weight[place / 2] >> place % 2 * 4 & 15;\n"
            "    return bits - ((bits & 8) << 1);\n"
            "}\n\n"
        ),
    }


def _measure(code: str, header: str, name: str) -> list[str]:
    """Compile for size and return a line on the flash and the RAM of the object file."""
    for compiler, size, target in COMPILERS:
        if not (shutil.which(compiler) and shutil.which(size)):
            continue
        with TemporaryDirectory() as folder:
            (Path(folder) / f"{name}.h").write_text(header)
            (Path(folder) / f"{name}.c").write_text(code)
            options = [*target.split(), "-std=c99", "-Os", "-c", f"{name}.c"]
            try:
                subprocess.run([compiler, *options], cwd=folder, check=True, capture_output=True)
                measured = subprocess.run(
                    [size, f"{name}.o"], cwd=folder, check=True, capture_output=True, text=True
                )
            except (OSError, subprocess.CalledProcessError) as error:
                raise RunError(f"{compiler} cannot compile the network: {error}") from error
        text, data, bss = map(int, measured.stdout.splitlines()[1].split()[:3])
        machine = target or "this computer"
        return [
            f"{compiler} -Os for {machine}: flash {text + data:,} bytes, RAM {data + bss:,} bytes"
        ]
    return ["flash and RAM of the object file were not measured: no C compiler was found"]


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
