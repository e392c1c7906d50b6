"""Counting errors."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lenet.data.datasets import Split
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import DIGITS
from lenet.evaluation.evaluate import Result, count_errors, infer, infer_draws
from lenet.tables import WRONG


class FirstPixel(nn.Module):
    """Says the class that the first pixel, divided by 25, names."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        label = (x[:, 0, 0, 0] * 255 / 25).round().long()
        return F.one_hot(label, 10).float() * 5


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


def argmax(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.argmax(1)


def split() -> Split:
    """Seven images, of which the third and the last are mislabelled."""
    said = torch.tensor([0, 1, 2, 3, 4, 9, 9])
    images = torch.zeros(7, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = (said * 25).to(torch.uint8)
    return Split(images, torch.tensor([0, 1, 7, 3, 4, 9, 4]))


def evaluate(model: nn.Module, part: Split, batch_size: int = 1000) -> Result:
    outputs = infer(model, Preprocessing("unit", 28), part.images, batch_size)
    return count_errors(outputs, part.labels, cross_entropy, argmax, part.classes)


def test_errors_are_counted_by_true_class_and_prediction() -> None:
    result = evaluate(FirstPixel(), split())
    assert (result.n, result.errors) == (7, 2)
    assert result.confusion[7, 2] == 1 and result.confusion[4, 9] == 1
    assert result.errors_by_class == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0]
    assert result.accuracy == 5 / 7
    assert result.confusion.sum() == 7


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 1000])
def test_the_counts_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    nn.init.normal_(model[1].weight, generator=torch.Generator().manual_seed(0))
    images = torch.randint(256, (7, 1, 28, 28), dtype=torch.uint8)
    part = Split(images, torch.arange(7))
    whole, parts = evaluate(model, part), evaluate(model, part, batch_size)
    assert torch.equal(whole.confusion, parts.confusion)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)


def test_equal_scores_have_a_loss_of_ln_10() -> None:
    labels = torch.tensor([0, 1, 2])
    result = count_errors(torch.zeros(3, 10), labels, cross_entropy, argmax, DIGITS)
    assert result.loss == pytest.approx(2.302585, abs=1e-6)


def test_inference_switches_dropout_off_and_gives_one_row_per_image() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))
    images = torch.full((5, 1, 28, 28), 255, dtype=torch.uint8)
    outputs = infer(model, Preprocessing("unit", 28), images, 2)
    assert outputs.shape == (5, 10)
    torch.testing.assert_close(outputs[0], outputs[4])


def test_the_table_shows_each_confusion_and_the_errors_of_each_class() -> None:
    result = evaluate(FirstPixel(), split())
    table = result.table()
    assert list(table.rows[7]) == ["7", "·", "·", "1", *"·······", "1"]
    assert table.styles[7, 3] == WRONG and (7, 8) not in table.styles


def test_classes_with_names_are_shown_by_them() -> None:
    outputs, labels = torch.eye(3)[[0, 1, 2, 1]], torch.tensor([0, 1, 2, 2])
    result = count_errors(outputs, labels, cross_entropy, argmax, ("bag", "sneaker", "ankle boot"))
    assert result.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert str(result.table()).splitlines() == [
        "                           ankle",
        "true \\ pred  bag  sneaker   boot  errors",
        "────────────────────────────────────────",
        "bag            1        ·      ·       0",
        "sneaker        ·        1      ·       0",
        "ankle boot     ·        1      1       1",
    ]
    assert list(result.confusions().rows[2]) == ["ankle boot", "2", "1", "sneaker 1"]


def test_draws_are_averaged_and_repeat() -> None:
    def flicker(images: torch.Tensor, labels: None, draw: torch.Generator) -> torch.Tensor:
        return images * torch.randint(2, (len(images), 1, 1, 1), generator=draw)  # lit or dark

    preprocess, images = Preprocessing("unit", 28), split().images[4:5].expand(500, 1, 28, 28)
    first = infer_draws(FirstPixel(), preprocess, images, flicker, 4, seed=1, batch_size=100)
    lit = first[:, 4] / 5  # the share of draws that show the class as it is
    assert set(lit.tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert torch.equal(first[:, 0] / 5, 1 - lit)
    again = infer_draws(FirstPixel(), preprocess, images, flicker, 4, seed=1, batch_size=100)
    assert torch.equal(first, again)
