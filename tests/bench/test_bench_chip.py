"""Networks on emulated microcontrollers: what they put out, and what is told of them."""

import shutil
from pathlib import Path

import pytest
import torch

from lenet.bench.chip import QEMU, Row, emulate, measure, table
from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier, load_classifier
from lenet.export.c import CROSS, Memory, measure_memory, write_sources
from lenet.export.integers import quantize_network
from lenet.models.summary import summarize_network
from lenet.rng import generator
from lenet.runs.find import open_runs

needs_emulator = pytest.mark.skipif(
    not (shutil.which(CROSS + "gcc") and shutil.which(QEMU)),
    reason="needs gcc-arm-none-eabi and qemu-system-arm",
)


@needs_emulator
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_an_emulated_core_gives_the_scores_of_the_integer_network(
    core: str, tmp_path: Path
) -> None:
    values = ["model={kind: compact, channels: [3, 4], pooled: [1]}", "input.size=28"]
    classifier = build_classifier(load_config("modern/plain", values).config, seed=0)
    classifier.model.eval()
    images = torch.randint(0, 256, (3, 1, 28, 28), generator=generator(0, "chip")).byte()
    network = quantize_network(classifier, images, bits=4)
    classes = [*"0123456789"]
    for file, text in write_sources(network, "network", classes, "A test.", False).items():
        (tmp_path / file).write_text(text)
    logits, instructions = emulate(tmp_path, core, network, images.numpy())
    assert (logits == network(images).numpy()).all()
    work = summarize_network(classifier.model, (1, 28, 28)).multiply_adds
    assert 5 * work < instructions < 50 * work
    memory = measure_memory(tmp_path, "network", core)
    assert memory.ram == 3 * 14 * 14 + 4 * 12 * 12  # the states of two layers
    assert 50 < memory.stack < 400


def test_the_table_has_a_line_per_network() -> None:
    cores = {"cortex-m0": Memory(1000, 200, 30), "cortex-m4": Memory(900, 200, 40)}
    row = Row("small", 50, 4, 7, 8, cores, {"cortex-m0": 12345, "cortex-m4": 2345})
    assert table([row]).markdown().splitlines()[-1] == (
        "| small | 50 | 4 | 7 | 8 | 1,000 | 200 | 30 | 12,345 | 2,345 |"
    )


@needs_emulator
def test_one_seed_is_measured() -> None:
    with pytest.raises(UsageError, match=r"several runs: name one, published:lenet5/0"):
        measure(["published:lenet5"], None)


@needs_emulator
def test_the_published_network_fits_into_16_kB_of_flash_and_4_kB_of_ram(tmp_path: Path) -> None:
    (run,) = open_runs("published:chip/0")
    images = torch.randint(0, 256, (2, 1, 28, 28), generator=generator(0, "chip")).byte()
    network = quantize_network(load_classifier(run), images, bits=4)
    classes = [*"0123456789"]
    for file, text in write_sources(network, "network", classes, "A test.", False).items():
        (tmp_path / file).write_text(text)
    memory = measure_memory(tmp_path, "network", "cortex-m0")
    assert memory.flash <= 16 * 1024
    assert memory.ram + memory.stack + images[0].numel() <= 4 * 1024
