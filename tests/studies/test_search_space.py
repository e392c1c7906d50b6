"""The values that a sweep may try."""

import json
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.studies.search_space import Choices, Range, Space
from lenet.studies.search_space import read_space as read_checked_space


def write(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def read_space(path: Path) -> Space:
    return read_checked_space(path, lambda values: None)


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
        ("a: {low: 1}", r"a\.high: field required"),
        ("a: {low: 1, high: 2, top: 3}", r"a\.top: extra inputs"),
        ("a: {choices: []}", r"a\.choices: list should have at least 1 item"),
        ("a: []", r"a\.choices: list should have at least 1 item"),
        ("a: 3", "a: expected {low: 1, high: 9} or a list of choices"),
        ("a: {low: .nan, high: 1}", r"a\.low: input should be a valid number"),
        ("a: {low: 1, high: .inf}", r"a\.high: input should be a valid number"),
        ("a: {low: 1, high: 3, step: 0.5}", "a: a step between whole numbers is a whole number"),
        ("seed: [1, 2]", "seed: cannot be searched"),
        ("data.validation: [50, 100]", "data.validation: cannot be searched"),
        ("data.path: [a, b]", r"data\.path: cannot be searched"),
        ("data.strings.clutter: [0.0, 0.9]", r"data\.strings\.clutter: cannot be searched"),
        ("{}", "names no key"),
    ],
)
def test_a_faulty_space_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_space(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "optimizer.learning: [1]",
            r"space\.yaml:1:\d+: optimizer\.learning: unknown key 'learning'",
        ),
        (
            "train.batch_size: {low: 0, high: 64}",
            r"train\.batch_size: .*greater than or equal to 1",
        ),
        ("train.batch_size: {low: 8.0, high: 64.0}", "train\\.batch_size: "),
        ("model.batch_norm: [true, 3]", "model\\.batch_norm: "),
    ],
)
def test_each_keys_extremes_are_tried_before_any_trial(
    tmp_path: Path, text: str, message: str
) -> None:
    def try_out(values: dict[str, object]) -> None:
        load_config("modern/plain", [f"{k}={json.dumps(v)}" for k, v in values.items()])

    with pytest.raises(UsageError, match=message) as caught:
        read_checked_space(write(tmp_path, text), try_out)
    assert "--set" not in str(caught.value)
