import math

import pytest
import torch

from lenet.losses import LOSSES, are_wrong, classify, probabilities

DIFFERENTIABLE = [("mse", {}), ("map", {"j": 0.5}), ("squared-targets", {})]


def one_row(*values):
    return torch.tensor([[*values, *[1e4] * (10 - len(values))]])


def test_mse_is_the_penalty_of_the_correct_class():
    assert LOSSES["mse"]()(one_row(3.0, 7.0), torch.tensor([1])).tolist() == [7.0]


def test_map_by_hand():
    # y = (ln 2, ln 4), j = ln 4: the sum of exponentials is 1/4 + 1/2 + 1/4 = 1
    loss = LOSSES["map"](j=math.log(4))
    penalties = one_row(math.log(2), math.log(4))
    torch.testing.assert_close(loss(penalties, torch.tensor([0])), torch.tensor([math.log(2)]))
    torch.testing.assert_close(
        loss.gradient(penalties, torch.tensor([0]))[0, :3], torch.tensor([0.5, -0.25, 0.0])
    )


def test_map_is_mse_plus_a_constant_when_all_classes_are_far_worse_than_rubbish():
    penalties = torch.full((1, 10), 84.0)
    label = torch.tensor([3])
    difference = LOSSES["map"](j=1.0)(penalties, label) - LOSSES["mse"]()(penalties, label)
    torch.testing.assert_close(difference, torch.tensor([-1.0]))


def columns(*path, classes=3):
    """Logits that are sure of a path, the blank being the last class."""
    return 50 * torch.nn.functional.one_hot(torch.tensor([path]), classes).float()


def test_ctc_adds_up_all_ways_to_lay_a_string_along_the_columns():
    # Two columns, classes 0 and 1 and the blank, each 1/3: 00, 0-, -0 spell "0", 3 of 9 paths.
    even = torch.zeros(2, 2, 3)
    losses = LOSSES["ctc"]()(even, torch.tensor([[0, -1], [0, 1]]))
    torch.testing.assert_close(losses, torch.tensor([math.log(3), math.log(9)]))


def test_a_path_loses_repeats_and_blanks():
    blank = 2
    outputs = columns(blank, 0, 0, blank, 0, 1, 1)
    assert classify(outputs, "columns").tolist() == [[0, 0, 1, -1, -1, -1, -1]]


def test_a_string_is_wrong_unless_it_is_right_from_end_to_end():
    said = torch.tensor([[0, 0, 1, -1], [0, 0, -1, -1], [-1, -1, -1, -1]])
    labels = torch.tensor([[0, 0, 1], [0, 0, 1], [-1, -1, -1]])
    assert are_wrong(said, labels).tolist() == [False, True, False]


def test_squared_targets_by_hand():
    logits = torch.tensor([[1.0, 1.0, *[-1.0] * 8]])
    assert LOSSES["squared-targets"]()(logits, torch.tensor([0])).tolist() == [2.0]


def test_cross_entropy_of_equal_scores_is_log_ten():
    labels = torch.tensor([4, 9])
    expected = torch.full((2,), math.log(10))
    torch.testing.assert_close(LOSSES["cross-entropy"]()(torch.zeros(2, 10), labels), expected)


def test_label_smoothing_gives_every_class_its_share():
    logits = torch.tensor([[math.log(9.0), *[0.0] * 9]])  # probabilities 1/2, 1/18, ...
    loss = LOSSES["cross-entropy"](label_smoothing=0.1)(logits, torch.tensor([0]))
    torch.testing.assert_close(loss, torch.tensor([0.91 * math.log(2) + 0.09 * math.log(18)]))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"ctc"}))
def test_one_hot_targets_equal_labels(name):
    torch.manual_seed(0)
    outputs, labels = torch.rand(4, 10), torch.tensor([0, 5, 9, 5])
    loss = LOSSES[name]()
    torch.testing.assert_close(loss(outputs, labels), loss(outputs, torch.eye(10)[labels]))
    assert loss(outputs, labels).shape == (4,)


@pytest.mark.parametrize(("name", "options"), DIFFERENTIABLE)
def test_gradient_is_autograds(name, options):
    torch.manual_seed(0)
    outputs = torch.rand(4, 10, requires_grad=True)
    labels = torch.tensor([0, 5, 9, 5])
    loss = LOSSES[name](**options)
    loss(outputs, labels).sum().backward()
    torch.testing.assert_close(loss.gradient(outputs.detach(), labels), outputs.grad)


def test_smallest_penalty_or_largest_score_is_the_class():
    outputs = torch.tensor([[3.0, 1.0, 2.0, *[2.5] * 7]])
    assert classify(outputs, "penalties").tolist() == [1]
    assert classify(outputs, "logits").tolist() == [0]


def test_probabilities_fall_with_the_penalty_and_rise_with_the_score():
    outputs = one_row(0.0, math.log(3))
    torch.testing.assert_close(
        probabilities(outputs, "penalties")[0, :2], torch.tensor([0.75, 0.25])
    )
    torch.testing.assert_close(probabilities(-outputs, "logits")[0, :2], torch.tensor([0.75, 0.25]))
