"""Export trained networks for other programs.

A new format is a function in a module of this folder, and a line in `FORMATS`.
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
"""Suffix, and the function (run, classifier, file, with preprocessing) → a sentence on what was
verified. With preprocessing the exported network takes pixels in [0, 1], (B, C, H, W), and
returns probabilities; without, it takes preprocessed images and returns the model's outputs."""
