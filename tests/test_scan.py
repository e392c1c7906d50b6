"""Lines of digits are read from left to right, pages from top to bottom."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from lenet import configfile
from lenet.cli import app
from lenet.data import Dataset, Split
from lenet.errors import UsageError
from lenet.network import build_network
from lenet.pictures import PictureError
from lenet.predict import load_committee
from lenet.scan import Found, order_lines, run_convolution, scan_convolution, scan_marks

NAME = "published:handwriting/0"


def write_string(split: Split, first: int, gap: int) -> tuple[np.ndarray, str]:
    """Five test digits in a row, black on white, `gap` of MNIST's pixels apart, enlarged.

    A negative gap lets neighbours overlap.
    """
    images = [image[0].numpy() for image in split.images[first : first + 5]]
    cut = [image[:, image.any(axis=0)] for image in images]
    line = np.zeros((48, 24 + sum(c.shape[1] for c in cut) + 4 * gap), dtype=np.uint8)
    left = 12
    for piece in cut:
        place = line[10:38, left : left + piece.shape[1]]
        np.maximum(place, piece, out=place)
        left += piece.shape[1] + gap
    large = Image.fromarray(255 - line).resize((3 * line.shape[1], 144), Image.Resampling.BICUBIC)
    text = "".join(str(int(label)) for label in split.labels[first : first + 5])
    return np.asarray(large)[..., None], text


def count_right(read: str, written: str) -> int:
    """Digits of a string that were read, by the least number of edits."""
    row = list(range(len(written) + 1))
    for i, one in enumerate(read):
        last, row[0] = row[0], i + 1
        for j, other in enumerate(written):
            last, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, last + (one != other))
    return len(written) - min(row[-1], len(written))


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern"])
def test_the_class_map_is_the_network_at_every_place(kind: str) -> None:
    values = ["model.kind=lenet5", "loss.kind=mse"] if kind == "lenet5" else []
    network = build_network(configfile.load("modern/plain", values).config)
    page = torch.rand(1, 1, 60, 72, generator=torch.Generator().manual_seed(0))
    class_map = run_convolution(network, page)
    for y, x in ((4, 5), (8, 9)):  # the 28 × 28 pixels around (4 y, 4 x), inside a 32 × 32 field
        seen = page[:, :, 4 * y - 16 : 4 * y + 16, 4 * x - 16 : 4 * x + 16]
        shown = seen * (network.present.full - network.present.background)
        outputs = network.model(shown + network.present.background)
        expected = (-outputs if network.outputs == "penalties" else outputs).softmax(dim=1)[0]
        torch.testing.assert_close(class_map[0, :, y, x], expected, atol=1e-5, rtol=1e-4)


def test_lines_go_from_top_to_bottom_and_digits_from_left_to_right() -> None:
    def found(digit: int, top: int, left: int) -> Found:
        return Found(digit, 1.0, (slice(top, top + 20), slice(left, left + 10)))

    page = [found(4, 52, 0), found(2, 6, 20), found(1, 0, 0), found(5, 49, 30), found(3, 3, 40)]
    assert [[f.digit for f in line] for line in order_lines(page)] == [[1, 2, 3], [4, 5]]


def test_separated_digits_are_read_in_order(mnist: Dataset) -> None:
    committee = load_committee(NAME)
    right = 0
    for start in range(0, 200, 5):
        picture, written = write_string(mnist.test, start, gap=[2, 5, 12][start % 3])
        right += count_right(scan_marks(committee, picture).text(), written)
    assert right >= 0.97 * 200


def test_the_sliding_network_reads_wide_strings(mnist: Dataset) -> None:
    network = load_committee(NAME).members[0]
    right = 0
    for start in range(0, 100, 5):
        picture, written = write_string(mnist.test, start, gap=16)
        right += count_right(scan_convolution(network, picture).text(), written)
    assert right >= 0.9 * 100


def test_networks_that_cannot_slide_and_empty_pages_are_refused() -> None:
    linear = build_network(configfile.load("modern/plain", ["model={kind: linear}"]).config)
    with pytest.raises(UsageError, match="only a LeNet-5 can be slid over a page"):
        run_convolution(linear, torch.zeros(1, 1, 40, 40))
    with pytest.raises(PictureError, match="no ink"):
        scan_marks(load_committee(NAME), np.full((100, 100, 1), 255, dtype=np.uint8))


def test_the_command_prints_the_string_and_draws_the_page(mnist: Dataset, tmp_path: Path) -> None:
    picture, written = write_string(mnist.test, 0, gap=6)
    page = tmp_path / "page.png"
    Image.fromarray(picture[..., 0]).save(page)
    shown = tmp_path / "read.png"
    result = CliRunner().invoke(app, ["scan", NAME, str(page), "--show", str(shown)])
    assert (result.exit_code, result.stdout) == (0, f"{written}\n")
    assert np.asarray(Image.open(shown)).std() > 10
    result = CliRunner().invoke(app, ["scan", NAME, str(page), "--json"])
    assert [found["digit"] for found in json.loads(result.stdout)[0]] == [int(c) for c in written]
    assert CliRunner().invoke(app, ["scan", NAME, str(page), "--way", "luck"]).exit_code == 2
