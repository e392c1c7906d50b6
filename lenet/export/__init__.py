"""Export trained networks for other programs.

A new format is a function in a module of this folder, and a line in `FORMATS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lenet.export.c import export_c, name_files
from lenet.export.graph import export_onnx, export_torch
from lenet.export.page import export_page
from lenet.export.request import Request
from lenet.export.weights import export_weights
from lenet.runs.run import Run

__all__ = ["FORMATS", "Format", "Request"]


@dataclass(frozen=True)
class Format:
    """A kind of file that networks are written as.

    Attributes:
        suffix: Of the file's name; empty for a folder of several files.
        write: Writes it, and returns a sentence on what was verified.
        files: What is written for a run's network at a path.
        integers: When it holds 8 bits, whose ranges training images decide.
    """

    suffix: str
    write: Callable[[Request], str]
    files: Callable[[Run, Path], list[Path]] = lambda run, path: [path]
    integers: Literal["never", "asked", "always"] = "never"

    def reads_images(self, quantize: bool) -> bool:
        """Say whether training images are read."""
        return self.integers == "always" or (self.integers == "asked" and quantize)


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", export_onnx, integers="asked"),
    "torch-export": Format(".pt2", export_torch),
    "safetensors": Format(".safetensors", export_weights),
    "html": Format(".html", export_page),
    "c": Format("", export_c, name_files, "always"),
}
