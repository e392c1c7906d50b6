"""Trained networks for other programs: one function per format.

A new format is a function here or in a module of this room, and a line in `FORMATS`.
"""

from collections.abc import Callable
from pathlib import Path

from lenet.evaluation.classifier import Classifier
from lenet.export.graph import export_onnx, export_torch
from lenet.export.page import export_page
from lenet.export.weights import export_weights
from lenet.runs.run import Run

FORMATS: dict[str, tuple[str, Callable[[Run, Classifier, Path, bool], str]]] = {
    "onnx": (".onnx", export_onnx),
    "torch-export": (".pt2", export_torch),
    "safetensors": (".safetensors", export_weights),
    "html": (".html", export_page),
}
"""Suffix, and the function (run, classifier, file, with preprocessing) → what was verified, as a
sentence. With preprocessing it takes pixels in [0, 1] (B, 1, 28, 28) and gives probabilities; else
and its own outputs."""
