"""Export as a graph for other runtimes, verified against PyTorch before the file is written.

Both formats accept any batch size.
"""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from lenet.data.preprocessing import scale_pixels
from lenet.errors import RunError, UsageError, how_to_install
from lenet.evaluation.classifier import Classifier
from lenet.export.request import Request
from lenet.losses import probabilities
from lenet.rng import generator
from lenet.runs.files import write_atomically

IMAGES = 1000
TOLERANCE = 1e-4  # largest allowed difference of any output
AGREEING = 0.95
"""Least share of them with the same class in 8 bits; a damaged graph agrees on far fewer."""
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


def export_onnx(request: Request) -> str:
    """Write an ONNX file and compare it with PyTorch in onnxruntime.

    The file's metadata name the classes; see `Request.metadata`.

    Raises:
        UsageError: The packages of the extra ``onnx`` are missing.
        RunError: onnxruntime's outputs differ by more than `TOLERANCE`, or, in 8 bits, the classes
            of training images; nothing is written.
    """
    try:
        onnx = importlib.import_module("onnx")
        importlib.import_module("onnxscript")
        importlib.import_module("onnxruntime")
    except ImportError:
        raise UsageError(f"ONNX needs more packages; {how_to_install('onnx')}") from None
    classifier, with_preprocessing = request.float_classifier, request.preprocess
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
        sentence = _verify(module, images, _open_session(draft))
        if request.quantize:
            draft, sentence = _quantize_graph(request, draft)
        model = onnx.load(draft)
        onnx.helper.set_model_props(model, request.metadata())
        write_atomically(request.path, model.SerializeToString())
    return sentence


def _open_session(file: Path) -> Callable[[Tensor], Tensor]:
    """Return the graph of an ONNX file as a function of a batch."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())
    return lambda batch: torch.from_numpy(session.run(None, {name: batch.numpy()})[0])


def _quantize_graph(request: Request, file: Path) -> tuple[Path, str]:
    """Bring a graph's weights and activations to 8 bits, and compare it on training images.

    Returns:
        The new file, beside the given one, and the sentence on what was compared.
    """
    quantization = importlib.import_module("onnxruntime.quantization")
    reader = importlib.import_module("onnxruntime.quantization.calibrate").CalibrationDataReader
    images = scale_pixels(request.training_images())
    classifier = request.float_classifier
    given = images if request.preprocess else classifier.preprocess(images)
    (name,) = (i.name for i in importlib.import_module("onnx").load(file).graph.input)

    class Batches(reader):  # type: ignore[misc, valid-type]
        """Training images, a hundred at a time."""

        def __init__(self) -> None:
            self.batches = iter(given.split(100))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.numpy()}

    folded, small = file.with_name("folded.onnx"), file.with_name("quantized.onnx")
    quantization.quant_pre_process(file, folded)
    quantization.quantize_static(
        folded,
        small,
        Batches(),
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
        # 7 bits a weight: CPUs without VNNI add pairs of products in 16 bits, which 8 overflow.
        reduce_range=True,
    )
    penalties = classifier.outputs == "penalties" and not request.preprocess
    found, expected = _open_session(small)(given), classifier.infer(images)
    labels = found.argmin(dim=1) if penalties else found.argmax(dim=1)
    same = int((labels == classifier.classify(expected)).sum())
    if same < AGREEING * len(images):
        raise RunError(
            f"not exported: in 8 bits only {same:,} of {len(images):,} training images get the"
            " same class as in floating point"
        )
    return small, (
        f"8 bits; same class as in floating point on {same:,} of {len(images):,} training images"
    )


def export_torch(request: Request) -> str:
    """Write a torch.export program, load it again and compare it with the network.

    Its extra files are `Request.metadata`.

    Raises:
        RunError: Its outputs differ by more than `TOLERANCE`; nothing is written.
    """
    if request.quantize:
        raise UsageError("torch.export programs are not quantized here; onnx and c are")
    module, images = _prepare(request.float_classifier, request.preprocess)
    # A copy: of a slice, the file would hold all images.
    example = images[:EXPORT_BATCH].clone()
    program = torch.export.export(
        module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "network.pt2"
        with warnings.catch_warnings():  # of weights that share memory, which are saved whole
            warnings.filterwarnings("ignore", "No complete tensor found")
            torch.export.save(program, draft, extra_files=request.metadata())
        sentence = _verify(module, images, torch.export.load(draft).module())
        write_atomically(request.path, draft.read_bytes())
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
