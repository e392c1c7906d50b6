"""Networks that learn from the mistakes of those before them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.datasets import Split
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import SOURCES
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier
from lenet.losses import LOSSES
from lenet.runs.run import Run
from lenet.training.boosting import choose_images, load_earlier
from lenet.training.experiment import run_experiment

SETTINGS = [
    "data.name=mnist-sample",
    "train.epochs=1",
    "evaluate.pictures=false",
    "optimizer.curvature_images=20",
]
BOOSTED = [*SETTINGS, "train.images_per_epoch=60"]

MNIST = SOURCES["mnist"]


class Sayer(nn.Module):
    """Says the digit that the grey level of a picture's first pixel stands for, plus `shift`."""

    outputs = "logits"

    def __init__(self, shift: dict[int, int]) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, inputs: Tensor) -> Tensor:
        levels = (inputs[:, 0, 0, 0] * 255).round().long().tolist()
        said = [(level + self.shift.get(level, 0)) % 10 for level in levels]
        return nn.functional.one_hot(torch.tensor(said), 10).float()


def classifier(shift: dict[int, int]) -> Classifier:
    return Classifier(Sayer(shift), Preprocessing("unit", 28), LOSSES["squared-targets"](), MNIST)


def split() -> Split:
    images = torch.zeros(10, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(10).to(torch.uint8)
    return Split(images, torch.arange(10))


def test_the_second_network_sees_as_many_right_as_wrong_images() -> None:
    chosen = choose_images(split(), [classifier({2: 1, 5: 1, 7: 3})], seed=0).tolist()
    assert chosen == sorted(chosen)
    assert len(set(chosen)) == 6
    assert {2, 5, 7} <= set(chosen)


def test_which_right_images_are_taken_depends_on_the_seed() -> None:
    drawn = {
        tuple(choose_images(split(), [classifier({3: 1})], seed).tolist()) for seed in range(20)
    }
    assert len(drawn) > 1
    again = choose_images(split(), [classifier({3: 1})], 0)
    assert torch.equal(again, choose_images(split(), [classifier({3: 1})], 0))


def test_the_third_network_sees_where_the_two_before_it_disagree() -> None:
    # 2 is wrong for both in the same way, 5 in different ways, 7 and 8 for one of them.
    first, second = classifier({2: 1, 5: 1, 7: 1}), classifier({2: 1, 5: 2, 8: 1})
    assert choose_images(split(), [first, second], seed=0).tolist() == [5, 7, 8]


@pytest.mark.parametrize("earlier", [[{}], [{4: 1}, {4: 1}]])
def test_networks_that_leave_nothing_to_learn_are_refused(earlier: list[dict[int, int]]) -> None:
    with pytest.raises(UsageError, match="leave no image to learn from"):
        choose_images(split(), [classifier(shift) for shift in earlier], seed=0)


def config(name: str, *settings: str) -> Config:
    return load_config(name, [*SETTINGS, *settings]).config


def boosted(*earlier: Path, name: str = "paper/linear") -> Config:
    listed = ", ".join(map(str, earlier))
    return load_config(name, [*BOOSTED, f"data.boosting.earlier=[{listed}]"]).config


def test_three_networks_in_turn_are_counted_together(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run_experiment(config("paper/linear"), "first", root=tmp_path, seeds=2)
    run_experiment(boosted(first), "second", root=tmp_path, seeds=2)
    done = run_experiment(boosted(first, second), "third", root=tmp_path, seeds=2)
    for run, result in zip(done.runs, done.results, strict=True):
        classifiers = [*load_earlier(run.config, run.seed, torch.device("cpu"))]
        assert len(classifiers) == 2
        assert result["n/test"] == 1000
        assert 0 < result["errors/test-together"] < 900
        assert result["errors/test-together"] != result["errors/test"]
    assert "errors/test-together" not in Run.open(first / "0").read_json("result.json")


def test_each_seed_learns_from_the_run_of_its_own_seed(tmp_path: Path) -> None:
    run_experiment(config("paper/linear"), "first", root=tmp_path, seeds=2)
    with pytest.raises(UsageError, match="no run of seed 2"):
        load_earlier(boosted(tmp_path / "first"), 2, torch.device("cpu"))
    (of_seed_1,) = load_earlier(boosted(tmp_path / "first"), 1, torch.device("cpu"))
    expected = Run.open(tmp_path / "first" / "1").load_weights()
    torch.testing.assert_close(dict(of_seed_1.model.state_dict()), dict(expected))


def test_outputs_of_different_kinds_are_not_added(tmp_path: Path) -> None:
    run_experiment(config("paper/linear"), "first", root=tmp_path)
    with pytest.raises(UsageError, match="was trained by squared-targets, not map") as refused:
        run_experiment(boosted(tmp_path / "first", name="paper/lenet5"), "second", root=tmp_path)
    assert refused.value.path == ("data", "boosting", "earlier")
    assert not (tmp_path / "second").exists()
