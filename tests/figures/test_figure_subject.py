import pytest
import torch

from lenet.errors import RunError, UsageError
from lenet.figures.subject import Subject


def test_mistakes_come_surest_first(make_subject) -> None:
    subject = make_subject()
    mistakes = subject.mistakes()
    assert sorted(mistakes.tolist()) == [3, 17, 20]
    sureness = subject.probabilities.max(1).values[mistakes]
    assert sureness.tolist() == sorted(sureness.tolist(), reverse=True)
    assert subject.result.errors == 3


def test_its_name_is_experiment_and_seed(make_subject) -> None:
    assert make_subject().name == "canned/0"


def test_an_unfinished_run_is_refused(make_run) -> None:
    run = make_run()
    (run.folder / "result.json").unlink()
    with pytest.raises(
        RunError, match=r"canned/0 is unfinished; `lenet resume .*canned/0` continues it"
    ):
        Subject.open(run)


def test_images_and_classes_that_do_not_exist_are_refused(make_subject) -> None:
    with pytest.raises(UsageError, match="test images 0 to 199, not 200"):
        make_subject(image=200)
    with pytest.raises(UsageError, match="there is no class 'x'"):
        make_subject().label_of("x")
    assert make_subject().label_of("7") == 7


def test_outputs_are_computed_once(make_subject) -> None:
    subject = make_subject()
    assert subject.outputs is subject.outputs
    torch.testing.assert_close(subject.probabilities.sum(1), torch.ones(200))
