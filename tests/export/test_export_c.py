"""The C files compute what the integer network computes, which is nearly the network itself."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.data.datasets import load_dataset
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, build_classifier, load_classifier
from lenet.export import Request
from lenet.export.c import constant_bytes, name_files, state_bytes, write_sources
from lenet.export.integers import (
    IntegerNetwork,
    find_scaling,
    quantize_network,
    read_layers,
)
from lenet.models.quantization import BOUNDS
from lenet.rng import generator
from lenet.runs.find import open_runs
from lenet.runs.run import Run

STRICT = [
    *("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"),
    "-fsanitize=undefined,address",
]

NETWORKS = {
    "lenet5-modern with batch norm": ["model.kind=lenet5-modern", "model.batch_norm=true"],
    "average pooling and tanh": ["model.pooling=average", "model.activation=tanh"],
    "silu": ["model.activation=silu"],
    "compact": ["model={kind: compact, channels: [4, 5, 6], pooled: [1]}", "input.size=28"],
    "an MLP": ["model={kind: mlp, hidden: [12]}", "input.size=28"],
    "a linear classifier": ["model={kind: linear}", "input.size=28"],
    "LeNet-5 of 1998": ["model={kind: lenet5}", "loss={kind: map}", "input.levels=paper"],
    "LeNet-1": [
        "model={kind: lenet1}",
        "loss={kind: squared-targets}",
        "input={levels: paper, size: 28, scale: 0.8}",
    ],
    "LeNet-4": ["model={kind: lenet4}", "loss={kind: squared-targets}", "input.levels=paper"],
    "layers": [
        "model={kind: layers, layers: [{conv: {filters: 4, size: 3, stride: 2, padding: 1}}, relu,"
        " {conv: {filters: 6, size: 3, groups: 2}}, {max: {size: 2}}, tanh,"
        " {conv: {filters: 10, size: 1}}, global-average]}",
        "input={size: 28, levels: unit}",
    ],
}
QUANTIZED = [*NETWORKS["compact"], "quantize={weights: 4}"]

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def make_classifier(values: list[str]) -> Classifier:
    """Build a network, with batch norm's statistics and a bias away from where they start."""
    classifier = build_classifier(load_config("modern/plain", values).config, seed=3)
    draw = generator(0, "test")
    for module in classifier.model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(torch.rand(len(module.running_mean), generator=draw) - 0.5)
            module.running_var.copy_(torch.rand(len(module.running_var), generator=draw) + 0.5)
            module.weight.data.copy_(torch.rand(len(module.weight), generator=draw) - 0.3)
    if any(hasattr(module, BOUNDS) for module in classifier.model.modules()):
        classifier.model.train()
        classifier.model(classifier.preprocess(draw_images(20) / 255))  # shows grids what there is
    classifier.model.eval()
    return classifier


def draw_images(n: int) -> Tensor:
    """Blurred noise as bright as digits, uint8 (n, 1, 28, 28)."""
    noise = torch.rand(n, 1, 28, 28, generator=generator(0, "images"))
    smooth = nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    return ((smooth * 4 - 1.5).clamp(0, 1) * 255).to(torch.uint8)


def run_c(network: IntegerNetwork, images: Tensor, folder: Path) -> Tensor:
    """Compile the network with sanitizers and return its logits, int64 (N, classes)."""
    classes = [*"0123456789"]
    for file, content in write_sources(network, "net", classes, "A test.", strokes=True).items():
        (folder / file).write_text(content)
    (folder / "logits.c").write_text(
        '#include "net.h"\n#include <stdio.h>\n'
        "int main(void) {\n"
        "    static uint8_t image[NET_CHANNELS * NET_HEIGHT * NET_WIDTH];\n"
        "    int32_t logits[NET_CLASSES];\n"
        "    while (fread(image, sizeof image, 1, stdin)) {\n"
        "        net_predict(image, logits);\n"
        "        fwrite(logits, sizeof logits, 1, stdout);\n"
        "    }\n    return 0;\n}\n"
    )
    subprocess.run(["cc", *STRICT, "net.c", "logits.c", "-o", "logits"], cwd=folder, check=True)
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
    done = subprocess.run([folder / "logits"], input=pixels, capture_output=True, check=True)
    logits = np.frombuffer(done.stdout, dtype=np.int32).reshape(len(images), -1)
    return torch.from_numpy(logits.astype(np.int64))


@needs_compiler
@pytest.mark.parametrize(
    ("values", "bits"),
    [*((values, 8) for values in NETWORKS.values()), (NETWORKS["layers"], 4), (QUANTIZED, 4)],
    ids=[*NETWORKS, "layers in 4 bits", "trained in 4 bits"],
)
def test_c_gives_the_integer_networks_logits_bit_for_bit(
    values: list[str], bits: int, tmp_path: Path
) -> None:
    images = draw_images(40)
    network = quantize_network(make_classifier(values), images[:20], bits)
    torch.testing.assert_close(run_c(network, images, tmp_path), network(images), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layers_read_compute_what_the_network_does(name: str) -> None:
    images = draw_images(10)
    classifier = make_classifier(NETWORKS[name])
    states = images.double()
    if (scale := classifier.preprocess.scale) != 1:
        states = nn.functional.interpolate(
            states, scale_factor=scale, mode="bilinear", antialias=True
        )
    for layer in read_layers(classifier):
        states = layer.activation(layer.sums(states))
        states = nn.functional.max_pool2d(states, layer.pool)
    expected = classifier.infer(images)
    if classifier.outputs == "penalties":  # Σ w x - ½ Σ w² = ½ (Σ x² - distance)
        spread = 2 * states.flatten(1) + expected
        torch.testing.assert_close(spread, spread[:, :1].expand_as(spread), rtol=1e-4, atol=1e-3)
    elif name in ("LeNet-1", "LeNet-4"):  # whose outputs are squashed
        squashed = classifier.model.output_squash(states.flatten(1))
        torch.testing.assert_close(squashed.float(), expected, rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(states.flatten(1).float(), expected, rtol=1e-4, atol=1e-4)


def test_a_scaled_image_is_made_of_whole_256ths() -> None:
    weights = find_scaling(make_classifier(NETWORKS["LeNet-1"]))
    assert weights.shape == (22, 28)
    assert weights.sum(dim=1).tolist() == [256] * 22
    # Its middle lies at 0.625, those of the image's rows at 0.5 and 1.5; weights fall to 0 over
    # 1.25: 1 - 0.125 / 1.25 = 0.9 and 1 - 0.875 / 1.25 = 0.3, of 1.2.
    assert weights[0].tolist() == [192, 64, *[0] * 26]


def test_integers_keep_the_grids_that_a_network_was_trained_on() -> None:
    classifier = make_classifier(QUANTIZED)
    images = draw_images(40)
    network = quantize_network(classifier, images[:20], bits=4)
    other = quantize_network(classifier, images[20:], bits=4)
    for a, b in zip(network.layers[:-1], other.layers[:-1], strict=True):
        assert a.multiplier.equal(b.multiplier)  # whatever the images
    logits, expected = network(images).double(), classifier.infer(images).double()
    step = float((logits * expected).sum() / logits.square().sum())
    error = (logits * step - expected).square().mean().sqrt() / expected.std()
    assert error < 0.02  # of the border, which is rounded to a pixel's grey level, among others


def test_one_weight_of_one_half_is_worked_out_by_hand() -> None:
    classifier = make_classifier(["model={kind: linear}", "input={size: 28, levels: unit}"])
    linear = classifier.model.layers[1]
    linear.weight.data.zero_()
    linear.bias.data.zero_()
    linear.weight.data[7, 0] = 0.5  # of the first pixel
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[1, 0, 0, 0] = 255
    network = quantize_network(classifier, images)
    (layer,) = network.layers
    assert layer.weight.flatten(1)[7].tolist() == [127] + [0] * 783  # of 8 bits the largest
    # The largest output, 0.5, is 2^20.
    assert network(images)[:, 7].tolist() == [0, 2**20]
    assert network.classify(images).tolist() == [0, 7]  # of equal logits the first


def test_memory_is_counted_by_hand() -> None:
    values = ["model={kind: mlp, hidden: [12]}", "input.size=28"]
    for bits, weights in ((8, 784 * 12 + 12 * 10), (4, (784 * 12 + 12 * 10) // 2)):
        network = quantize_network(make_classifier(values), draw_images(5), bits)
        assert constant_bytes(network) == weights + 8 * (12 + 10)
        assert state_bytes(network) == (12, 1)


@needs_compiler
def test_a_stranger_reads_a_picture(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["export", "published:lenet5/0", "--format", "c", "--to", str(tmp_path / "chip")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    folder = tmp_path / "chip"
    assert {file.name for file in folder.iterdir()} == {
        "lenet5.c", "lenet5.h", "main.c", "README.md",
    }  # fmt: skip
    assert "flash" in (folder / "lenet5.h").read_text()
    subprocess.run(["cc", *STRICT, "lenet5.c", "main.c"], cwd=folder, check=True)
    one = np.full((56, 56), 250, dtype=np.uint8)  # paper, twice as large
    one[10:46, 26:31] = 10
    (folder / "one.pgm").write_bytes(b"P5\n# a one\n56 56\n255\n" + one.tobytes())
    assert subprocess.check_output([folder / "a.out", folder / "one.pgm"], text=True) == "1\n"
    rows, columns = np.mgrid[:450, :600]  # a page on a dark table, in a light that falls off
    light = np.where((rows > 30) & (columns > 40), 220 - columns / 6 - rows / 20, 40)
    light[60:200, 310:322] *= 0.3
    photo = np.clip(light, 0, 255).astype(np.uint8)
    (folder / "photo.pgm").write_bytes(b"P5 600 450 255\n" + photo.tobytes())
    assert subprocess.check_output([folder / "a.out", folder / "photo.pgm"], text=True) == "1\n"
    faint = np.zeros((28, 28), dtype=np.uint8)  # the network's size, but not as MNIST has it
    faint[14:24, 5] = 40
    (folder / "faint.pgm").write_bytes(b"P5 28 28 255\n" + faint.tobytes())
    assert subprocess.check_output([folder / "a.out", folder / "faint.pgm"], text=True) == "1\n"
    (folder / "blank.pgm").write_bytes(b"P5 5 5000 255\n" + bytes(25000))
    blank = subprocess.run([folder / "a.out", folder / "blank.pgm"], capture_output=True, text=True)
    assert blank.stderr.endswith("blank.pgm shows no strokes\n")
    (folder / "cut.pgm").write_bytes(b"P5\n56 56\n255\n" + one.tobytes()[:99])
    cut = subprocess.run([folder / "a.out", folder / "cut.pgm"], capture_output=True, text=True)
    assert cut.returncode == 1
    assert cut.stderr.endswith("cut.pgm is cut short\n")


@pytest.mark.parametrize(
    ("name", "written"),
    [("my-net", "my_net"), ("3classes", "net_3classes"), ("main", "net_main"), ("é", "lenet")],
)
def test_an_experiments_name_becomes_one_that_c_takes(
    name: str, written: str, tmp_path: Path
) -> None:
    run = Run(tmp_path / name / "0", load_config("modern/plain").config)
    files = [path.name for path in name_files(run, tmp_path)]
    assert files == [f"{written}.h", f"{written}.c", "main.c", "README.md"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["input.upright=true"], "input.upright"),
        (["input.shuffle=1", "model={kind: linear}"], "input.shuffle"),
        (["model={kind: layers, layers: [{local: {filters: 2, size: 5}}, flatten,"
          " {linear: {units: 10}}]}"], "LocallyConnected"),
    ],
)  # fmt: skip
def test_what_integers_do_not_cover_is_refused_by_name(values: list[str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        quantize_network(make_classifier(values), draw_images(2))


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("name", ["lenet5/0", "compact/0", "paper/lenet5/0", "chip-fine-tuned/0"])
def test_all_test_images_give_the_same_scores_and_few_more_errors(
    name: str, tmp_path: Path
) -> None:
    (run,) = open_runs(f"published:{name}")
    classifier = load_classifier(run)
    request = Request(run, classifier, tmp_path)
    network = quantize_network(classifier, request.training_images(), request.weight_bits)
    test = load_dataset("mnist").test
    outputs = torch.cat([network(block) for block in test.images.split(500)])
    torch.testing.assert_close(run_c(network, test.images, tmp_path), outputs, rtol=0, atol=0)
    errors = int((outputs.argmax(dim=1) != test.labels).sum())
    assert errors <= classifier.evaluate(test).errors + 3
