"""The values that a sweep may try."""

from pathlib import Path

import pytest

from lenet.errors import UsageError
from lenet.space import Choices, Range, read_space


def write(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def test_keys_have_ranges_or_choices(tmp_path: Path) -> None:
    text = "optimizer.lr: {low: 0.01, high: 0.3, log: true}\ntrain.batch_size: {choices: [32, 64]}"
    assert read_space(write(tmp_path, text)) == {
        "optimizer.lr": Range(low=0.01, high=0.3, log=True),
        "train.batch_size": Choices(choices=[32, 64]),
    }


def test_a_list_is_short_for_choices(tmp_path: Path) -> None:
    space = read_space(write(tmp_path, "model.batch_norm: [true, false]"))
    assert space == {"model.batch_norm": Choices(choices=[True, False])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {low: 2, high: 1}", r"space\.yaml:1:\d+: a: low is above high"),
        ("a: {low: 0, high: 1, log: true}", "log needs low above 0"),
        ("a: {low: 1}", r"a\.high: Field required"),
        ("a: {low: 1, high: 2, top: 3}", r"a\.top: Extra inputs"),
        ("a: {choices: []}", r"a\.choices: List should have at least 1 item"),
        ("a: []", r"a\.choices: List should have at least 1 item"),
        ("a: 3", "a: expected {low: 1, high: 9} or a list of choices"),
        ("{}", "names no key"),
    ],
)
def test_a_faulty_space_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_space(write(tmp_path, text))
