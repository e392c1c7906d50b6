import pytest
import torch

from lenet.config.load import load_config
from lenet.evaluation.compare_runs import Comparison

WRONG = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0]]).bool()


def test_two_runs_are_tested_by_mcnemar():
    comparison = Comparison(["runs/a/0", "runs/b/0"], WRONG)
    only_first, only_second, p = comparison.pair
    assert (only_first, only_second) == (2, 1)
    assert p == pytest.approx(1.0)  # a sign test of 2 against 1
    (table,) = comparison.tables()
    assert table.notes[0] == (
        "only the first wrong: 2, only the second wrong: 1; McNemar's exact p = 1"
    )
    assert list(table.styles) == [1]  # b has fewer errors


def test_seeds_are_summed_up_by_experiment():
    comparison = Comparison(["runs/a/0", "runs/a/1", "runs/b/0"], torch.cat([WRONG, WRONG[:1]]))
    assert str(comparison.experiments["runs/a"]) == "2.5 ± 0.7 (n = 2)"
    assert str(comparison.experiments["runs/b"]) == "3.0 (n = 1)"
    assert comparison.pair is None


def test_images_wrong_in_all_runs_are_listed():
    comparison = Comparison(["runs/a/0", "runs/a/1"], WRONG)
    assert comparison.always_wrong == [0]
    assert comparison.tables()[0].notes[-1] == "wrong in all 2 runs: 1 image: 0"
    assert comparison.as_dict()["errors"] == {"runs/a/0": 3, "runs/a/1": 2}


def test_settings_that_differ_are_named_and_seeds_are_not() -> None:
    configs = [
        load_config("quickstart", [f"seed={seed}", f"train.epochs={epochs}"]).config
        for seed, epochs in ((0, 2), (1, 2), (0, 3))
    ]
    folders = ["runs/a/0", "runs/a/1", "runs/b/0"]
    comparison = Comparison(folders, torch.cat([WRONG, WRONG[:1]]), configs)
    assert comparison.differences == {"train.epochs": {"runs/a": 2, "runs/b": 3}}
    assert comparison.tables()[1].rows == [["train.epochs", "2", "3"]]


def test_settings_are_written_as_in_yaml() -> None:
    settings = ["model.batch_norm=false"], ["model={kind: mlp, hidden: [30, 20]}"]
    configs = [load_config("quickstart", list(own)).config for own in settings]
    comparison = Comparison(["runs/a/0", "runs/b/0"], WRONG, configs)
    written = {key: values for key, *values in comparison.tables()[1].rows}
    assert written["model.batch_norm"] == ["false", "–"]
    assert written["model.hidden"] == ["–", "[30, 20]"]
