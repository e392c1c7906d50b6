import pytest
import torch

from lenet.evaluation.calibration import Reliability, calibrate, margins, reject, reliability_table


def test_the_margin_is_the_lead_of_the_best_class() -> None:
    outputs = torch.tensor([[1.0, 5.0, 3.5], [2.0, 2.0, 9.0]])
    assert margins(outputs, "logits").tolist() == [1.5, 7.0]
    assert margins(outputs, "penalties").tolist() == [2.5, 0.0]


def test_rejecting_takes_the_least_sure_first() -> None:
    margin = torch.tensor([0.9, 0.1, 0.5, 0.3])
    wrong = torch.tensor([False, True, True, False])
    curve = reject(margin, wrong)
    assert curve.errors.tolist() == [2, 1, 1, 0, 0]
    assert curve.error_rate.tolist() == pytest.approx([0.5, 1 / 3, 0.5, 0, 0])
    assert curve.rejected.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.rejected_for(0.4) == 0.25
    assert curve.rejected_for(0.005) == 0.75
    assert curve.rejected_for(0.5) == 0


def test_ties_are_broken_against_the_network() -> None:
    curve = reject(torch.zeros(3), torch.tensor([True, False, False]))
    assert curve.errors.tolist() == [1, 1, 1, 0]


def test_a_calibration_error_worked_out_by_hand() -> None:
    # Bins of 0.5: two images at 0.5 (one right), two at 0.9 and 0.7 (both right).
    p = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.1, 0.9], [0.7, 0.3]])
    found = calibrate(p, torch.tensor([0, 1, 1, 0]), bins=2)
    assert found.n.tolist() == [2, 2]
    assert found.hits.tolist() == [1, 2]
    assert found.accuracy.tolist() == [0.5, 1.0]
    assert found.confidence.tolist() == pytest.approx([0.5, 0.8])
    # |1 - 1.0| / 4 + |2 - 1.6| / 4
    assert found.expected_error == pytest.approx(0.1)


def test_probabilities_at_the_ends_have_a_bin() -> None:
    found = calibrate(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0]), bins=4)
    assert found.n.tolist() == [1, 0, 0, 1]


def test_the_table_of_reliability_says_how_many_to_reject() -> None:
    # 200 images; the least sure one is wrong, and so is the seventh least sure one.
    wrong = torch.zeros(200, dtype=torch.bool)
    wrong[[0, 6]] = True
    curve = reject(torch.arange(200.0), wrong)
    sure = torch.zeros(200, 10)
    sure[:, 3] = 0.9
    sure[:, 4] = 0.1
    labels = torch.full((200,), 3).masked_fill(wrong, 4)
    found = Reliability(curve, calibrate(sure, labels))
    # One rejected leaves 1 of 199 wrong, 0.503 %; seven leave none. 99 % are right, 90 % expected.
    assert reliability_table({"a net": found}).rows == [["a net", "3.50 %", "3.50 %", "9.00 %"]]
