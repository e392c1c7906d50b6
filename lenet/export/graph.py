"""Export as a graph for other runtimes, verified against PyTorch before the file is written.

Both formats accept any batch size.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from lenet.errors import RunError, UsageError
from lenet.evaluation.classifier import Classifier
from lenet.losses import probabilities
from lenet.rng import generator
from lenet.runs.files import write_atomically
from lenet.runs.run import Run

IMAGES = 1000
TOLERANCE = 1e-4  # largest allowed difference of any output
EXPORT_BATCH = 2  # torch.export would make a batch size of one a constant


class Reader(nn.Module):
    """Images in [0, 1] (B, C, H, W) → probabilities (B, classes)."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.preprocess = classifier.preprocess
        self.model = classifier.model
        self.outputs = classifier.outputs

    def forward(self, images: Tensor) -> Tensor:
        """Preprocess the pixels, run the model, turn its outputs into probabilities."""
        return probabilities(self.model(self.preprocess(images)), self.outputs)


def export_onnx(run: Run, classifier: Classifier, path: Path, with_preprocessing: bool) -> str:
    """Write an ONNX file and compare it with PyTorch in onnxruntime.

    Raises:
        UsageError: The packages of the extra ``onnx`` are missing.
        RunError: onnxruntime's outputs differ by more than `TOLERANCE`; nothing is written.
    """
    try:
        importlib.import_module("onnxscript")
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        raise UsageError("ONNX needs more packages: pip install 'lenet[onnx]'") from None
    module, images = _prepare(classifier, with_preprocessing)
    program = torch.onnx.export(
        module,
        (images[:EXPORT_BATCH].clone(),),
        dynamo=True,
        verbose=False,
        input_names=["pixels" if with_preprocessing else "input"],
        output_names=["probabilities" if with_preprocessing else classifier.outputs],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    if program is None:
        raise RunError("torch.onnx.export returned nothing")
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "network.onnx"
        program.save(draft)
        session = runtime.InferenceSession(draft, providers=["CPUExecutionProvider"])
        (name,) = (given.name for given in session.get_inputs())
        sentence = _verify(
            module,
            images,
            lambda batch: torch.from_numpy(session.run(None, {name: batch.numpy()})[0]),
        )
        write_atomically(path, draft.read_bytes())
    return sentence


def export_torch(run: Run, classifier: Classifier, path: Path, with_preprocessing: bool) -> str:
    """Write a torch.export program, load it again and compare it with the network.

    Raises:
        RunError: Its outputs differ by more than `TOLERANCE`; nothing is written.
    """
    module, images = _prepare(classifier, with_preprocessing)
    # A copy: of a slice, the file would hold all images.
    example = images[:EXPORT_BATCH].clone()
    program = torch.export.export(
        module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "network.pt2"
        torch.export.save(program, draft)
        sentence = _verify(module, images, torch.export.load(draft).module())
        write_atomically(path, draft.read_bytes())
    return sentence


def _prepare(classifier: Classifier, with_preprocessing: bool) -> tuple[nn.Module, Tensor]:
    """Return the module to export and images to verify it on: blurred noise as bright as digits."""
    noise = torch.rand(IMAGES, *classifier.data.shape, generator=generator(0, "export"))
    images = (nn.functional.avg_pool2d(noise, 5, stride=1, padding=2) * 4 - 1.5).clamp(0, 1)
    if with_preprocessing:
        return Reader(classifier).eval(), images
    return classifier.model.eval(), classifier.preprocess(images)


@torch.inference_mode()
def _verify(module: nn.Module, images: Tensor, exported: Callable[[Tensor], Any]) -> str:
    difference = float((module(images) - exported(images)).abs().max())
    if not difference <= TOLERANCE:  # also refuses NaN
        raise RunError(
            f"not exported: outputs on {IMAGES:,} images differ by {difference:.1e}, more than"
            f" {TOLERANCE:.0e}"
        )
    return f"largest difference to PyTorch on {IMAGES:,} images: {difference:.1e}"
