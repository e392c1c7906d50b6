"""A teacher's opinion and the label, mixed as a config says."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.batches import Batches
from lenet.data.datasets import Split
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import SOURCES
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, Ensemble, build_classifier
from lenet.kernels.support import missing
from lenet.losses import LOSSES
from lenet.runs.run import Run
from lenet.training.distillation import Teacher
from lenet.training.experiment import run_experiment

HALF = torch.tensor([0.5, 0.5] + [0.0] * 8)
SURE = torch.tensor([0.0, 1.0] + [0.0] * 8)

MNIST = SOURCES["mnist"]


class Opinion(nn.Module):
    """Says the same of every picture."""

    outputs = "logits"

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.logits = shares.log()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.logits.expand(len(inputs), -1)


def classifier(shares: Tensor) -> Classifier:
    return Classifier(Opinion(shares), Preprocessing("unit", 28), LOSSES["cross-entropy"](), MNIST)


def test_targets_are_the_teachers_share_and_the_labels_rest() -> None:
    # 0.75 · ½ = 0.375 for each of 0 and 1; the label 7 has the other quarter.
    targets = Teacher(Ensemble([classifier(HALF)]), share=0.75).teach(
        torch.zeros(1, 1, 28, 28), torch.tensor([7])
    )
    expected = torch.tensor([[0.375, 0.375, 0, 0, 0, 0, 0, 0.25, 0, 0]])
    torch.testing.assert_close(targets, expected)


def test_an_ensemble_teaches_its_mean_beside_mixed_labels() -> None:
    # The mean of (½, ½) and (0, 1) is (¼, ¾), half of which counts; half a 1, half a 2 was mixed.
    mixed = torch.tensor([[0.0, 0.5, 0.5] + [0.0] * 7])
    targets = Teacher(Ensemble([classifier(HALF), classifier(SURE)]), share=0.5).teach(
        torch.zeros(1, 1, 28, 28), mixed
    )
    torch.testing.assert_close(targets, torch.tensor([[0.125, 0.625, 0.25] + [0.0] * 7]))


@pytest.mark.skipif(missing() is not None, reason=f"needs {missing()}")
def test_compiled_kernels_teach_what_pytorch_does() -> None:
    covered = build_classifier(load_config("modern/compact").config)
    uncovered = build_classifier(load_config("paper/lenet5").config)
    for one in (covered, uncovered):
        one.model.eval()
    teacher = Teacher(Ensemble([covered, uncovered]), share=0.5)
    frozen = teacher.freeze()
    assert [one.network is not None for one in frozen.ensemble.classifiers] == [True, False]
    images, labels = torch.rand(5, 1, 28, 28), torch.arange(5)
    torch.testing.assert_close(frozen.teach(images, labels), teacher.teach(images, labels))


def test_the_teacher_sees_the_picture_that_the_network_sees() -> None:
    seen: list[Tensor] = []

    def teach(images: Tensor, targets: Tensor) -> Tensor:
        seen.append(images)
        return torch.nn.functional.one_hot(targets, 10).float()

    batches = Batches(
        Split(torch.full((4, 1, 28, 28), 255, dtype=torch.uint8), torch.arange(4)),
        [0],
        nn.Identity(),
        batch_size=4,
        augment=lambda images, labels, draw, part: images[part] / 2,
        last_augmented=1,
        teach=teach,
    )
    inputs, targets = batches.batch(1, 0)
    assert targets.shape == (1, 4, 10)
    assert torch.equal(inputs[0], seen[0])
    assert seen[0].unique().tolist() == [0.5]


def teacher_in(folder: Path, validation: int) -> Config:
    """Leave a run in a folder, and return the config of one that learns from it."""
    config = load_config("quickstart", [f"data.validation={validation}"]).config
    run = Run.create("teacher", config, folder)
    run.save_weights(build_classifier(config).model.state_dict())
    return config


@pytest.mark.parametrize(("theirs", "ours"), [(0, 100), (200, 100)])
def test_a_teacher_that_knows_validation_split_images_is_refused(
    tmp_path: Path, theirs: int, ours: int
) -> None:
    teacher_in(tmp_path, theirs)
    config = load_config(
        "quickstart",
        [f"data.validation={ours}", f"distil.teacher={tmp_path / 'teacher' / '0'}"],
    ).config
    with pytest.raises(UsageError, match="learned from images that are validation images here"):
        Teacher.of(config, torch.device("cpu"))


@pytest.mark.parametrize("validation", [0, 100])
def test_a_teacher_with_the_same_validation_split_images_is_loaded(
    tmp_path: Path, validation: int
) -> None:
    teacher_in(tmp_path, validation)
    config = load_config(
        "quickstart",
        [f"data.validation={validation}", f"distil.teacher={tmp_path / 'teacher' / '0'}"],
    ).config
    teacher = Teacher.of(config, torch.device("cpu"))
    assert teacher is not None
    assert len(teacher.ensemble.classifiers) == 1
    assert teacher.share == 0.9


def test_without_a_teacher_there_is_none() -> None:
    assert Teacher.of(load_config("quickstart").config, torch.device("cpu")) is None


def test_a_config_whose_teacher_is_missing_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    config = load_config("quickstart", ["distil.teacher=runs/nobody"]).config
    with pytest.raises(UsageError, match="runs/nobody is neither a run nor") as refused:
        run_experiment(config, "pupil", root=tmp_path)
    assert refused.value.path == ("distil", "teacher")
    assert not list(tmp_path.iterdir())
