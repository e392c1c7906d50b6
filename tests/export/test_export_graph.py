"""Exported graphs give PyTorch's outputs, or are not exported."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.data.datasets import load_dataset
from lenet.data.preprocessing import scale_pixels
from lenet.errors import RunError, UsageError
from lenet.evaluation.classifier import build_classifier, load_classifier
from lenet.export import FORMATS, Request
from lenet.export.graph import Reader, _verify
from lenet.runs.find import open_runs
from lenet.runs.run import Run

ONE_EACH = [
    ("lenet5", ["model.kind=lenet5", "loss.kind=mse"]),
    ("lenet5-modern", []),
    ("straightened", ["input.upright=true", "input.width=14"]),
    ("4-bit weights", ["quantize={weights: 4}"]),
]


def make_run(root: Path, values: list[str]) -> Run:
    config = load_config("modern/plain", values).config
    run = Run.create("net", config, root)
    run.save_weights(build_classifier(config).model.state_dict())
    run.write_json("result.json", {})
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "values"), ONE_EACH)
@pytest.mark.parametrize("with_preprocessing", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_and_torch_export_agree_with_pytorch_at_any_batch_size(
    kind: str, values: list[str], with_preprocessing: bool, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    run = make_run(tmp_path, values)
    classifier = load_classifier(run)
    images = torch.rand(7, 1, 28, 28)
    given = images if with_preprocessing else classifier.preprocess(images)
    expected = Reader(classifier)(images) if with_preprocessing else classifier.model(given)
    for name in ("onnx", "torch-export"):
        sentence = FORMATS[name].write(
            Request(run, classifier, tmp_path / name, with_preprocessing)
        )
        assert sentence.startswith("largest difference to PyTorch on 1,000 images: ")
    session = runtime.InferenceSession(tmp_path / "onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["classes"] == json.dumps([*"0123456789"])
    (argument,) = session.get_inputs()
    (found,) = session.run(None, {argument.name: given.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected.detach(), atol=1e-4, rtol=1e-4)
    weights = sum(value.numel() * 4 for value in classifier.model.state_dict().values())
    assert (tmp_path / "torch-export").stat().st_size < 2 * weights + 200_000  # and no images
    program = torch.export.load(tmp_path / "torch-export").module()
    torch.testing.assert_close(program(given), expected)


def test_a_graph_that_differs_is_refused() -> None:
    model = torch.nn.Identity()
    images = torch.zeros(2, 3)
    assert _verify(model, images, lambda x: x + 9e-5).endswith("9.0e-05")
    with pytest.raises(RunError, match=r"differ by 2[.]0e-04, more than 1e-04"):
        _verify(model, images, lambda x: x + 2e-4)
    with pytest.raises(RunError, match="not exported"):
        _verify(model, images, lambda x: x * float("nan"))


def test_safetensors_carries_the_config(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["model.batch_norm=false"])
    path = tmp_path / "net.safetensors"
    assert (
        FORMATS["safetensors"].write(Request(run, load_classifier(run), path))
        == "61,706 parameters"
    )
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["classes"]) == [*"0123456789"]
        assert file.metadata()["model"] == "lenet5-modern"
        assert "kind: lenet5-modern" in file.metadata()["config"]
    with pytest.raises(UsageError, match="leave out --preprocess"):
        FORMATS["safetensors"].write(Request(run, load_classifier(run), path, True))


def test_the_command_names_the_file_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    run = make_run(tmp_path, [])
    page = str(tmp_path / "digit.html")
    arguments = ["export", str(run.folder), "--to", page]
    result = CliRunner().invoke(app, [*arguments, "--format", "html"])
    assert (result.exit_code, result.stdout) == (0, f"{page}\n")
    result = CliRunner().invoke(app, [*arguments, "--format", "xml"])
    assert result.exit_code == 2
    assert "no format 'xml'; there are onnx, torch-export, safetensors, html, c" in result.stderr
    result = CliRunner().invoke(app, [*arguments, "--format", "html", "--quantize", "int4"])
    assert "no --quantize 'int4'; there is int8" in result.stderr
    for kind in ("torch-export", "html", "safetensors"):
        result = CliRunner().invoke(
            app, [*arguments, "--overwrite", "--format", kind, "--quantize", "int8"]
        )
        assert result.exit_code == 2
        assert "quanti" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("preprocess", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_in_8_bits_is_smaller_and_counts_nearly_the_same_errors(
    preprocess: bool, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    (run,) = open_runs("published:lenet5/0")
    classifier = load_classifier(run)
    path = tmp_path / "small.onnx"
    sentence = FORMATS["onnx"].write(Request(run, classifier, path, preprocess, quantize=True))
    assert "same class as in floating point" in sentence
    assert path.stat().st_size < 0.5 * 4 * 61_706
    test = load_dataset("mnist").test
    given = scale_pixels(test.images)
    given = given if preprocess else classifier.preprocess(given)
    session = runtime.InferenceSession(path)
    (name,) = (argument.name for argument in session.get_inputs())
    (outputs,) = session.run(None, {name: given.numpy()})
    errors = int((torch.from_numpy(outputs).argmax(dim=1) != test.labels).sum())
    assert errors <= classifier.evaluate(test).errors + 3
