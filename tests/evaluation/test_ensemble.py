"""Several networks asked together."""

from dataclasses import replace

import torch
from torch.nn.functional import one_hot

from lenet.data.datasets import Dataset, Split
from lenet.evaluation.ensemble import DOUBTFUL, MOST, Opinions


def opinions() -> Opinions:
    """Three networks on four images.

    Image 0: all right. Image 1: two weak votes for 5 against a sure one for the label 4.
    Image 2: each says something else, the second best of the mean is right. Image 3: all wrong.
    """
    said = [
        [{0: 1.0}, {5: 0.6, 4: 0.4}, {1: 0.7, 2: 0.3}, {9: 1.0}],
        [{0: 1.0}, {5: 0.6, 4: 0.4}, {2: 0.5, 1: 0.4, 3: 0.1}, {9: 0.9, 4: 0.1}],
        [{0: 1.0}, {4: 1.0}, {3: 0.8, 2: 0.2}, {8: 1.0}],
    ]
    probabilities = torch.zeros(3, 4, 10)
    for network, images in enumerate(said):
        for image, classes in enumerate(images):
            for label, probability in classes.items():
                probabilities[network, image, label] = probability
    split = Split(torch.zeros(4, 1, 1, 1, dtype=torch.uint8), torch.tensor([0, 4, 2, 4]))
    return Opinions(["a", "b", "c"], probabilities, split, {3: "4, or a 9", 0: "no 0"})


def test_networks_are_counted_alone() -> None:
    assert opinions().errors_alone == [3, 2, 2]


def test_the_mean_listens_to_a_sure_network_and_votes_do_not() -> None:
    asked = opinions()
    assert asked.mean.argmax(1).tolist() == [0, 4, 1, 9]
    assert asked.errors == 2
    # Image 1 falls to the two weak votes.
    assert asked.votes[1].tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 0]
    assert asked.vote_errors == 3


def test_the_mean_decides_between_equal_votes() -> None:
    # On image 2 each class has one vote: the means are 1.1/3, 1.0/3 and 0.9/3.
    asked = opinions()
    decided = asked.votes[2] + asked.mean[2] / 2
    assert decided.argmax() == 1


def test_top2_errors_are_labels_beyond_the_second_best() -> None:
    # Image 2's label is second; image 3's mean is 9: 1.9/3, 8: 1/3, 4: 0.1/3.
    assert opinions().top2_errors == 1


def test_images_on_which_all_fail_are_marked_where_their_label_is_doubtful() -> None:
    asked = opinions()
    assert asked.as_dict()["all_fail"] == asked.as_dict()["all_fail_doubtful"] == [3]
    assert asked.table().notes == [
        "all networks fail on 1 image:",
        "and 3, whose label people doubt (4, or a 9)",
    ]


def test_images_on_which_all_fail_are_summed_up_by_label_and_prediction() -> None:
    asked = replace(opinions(), doubtful={})
    assert asked.table().notes == ["all networks fail on 1 image:", "1x 4 → 9"]


def test_of_many_pairs_of_label_and_prediction_the_most_frequent_are_listed() -> None:
    labels = torch.tensor([0, *range(10), 1])
    said = (labels + 1) % 10
    said[-1] = 7  # an 11th pair
    split = Split(torch.zeros(12, 1, 1, 1, dtype=torch.uint8), labels)
    asked = Opinions(["a"], one_hot(said, 10)[None].float(), split, {})
    pairs = asked.table().notes[1]
    assert pairs.startswith("2x 0 → 1, ") and pairs.endswith(", and 1 other pair")
    assert pairs.count("→") == MOST


def test_the_table_has_each_network_and_the_better_of_mean_and_vote_is_marked() -> None:
    table = opinions().table()
    assert [row[:3] for row in table.rows[2:5]] == [
        ["c", "2", "50.00 %"],
        ["one network alone", "2.3 ± 0.6", "41.67 %"],
        ["mean of probabilities", "2", "50.00 %"],
    ]
    assert list(table.styles) == [4]


def test_the_doubtful_labels_are_those_of_the_test_set(mnist: Dataset) -> None:
    assert len(DOUBTFUL) == 15
    for index, note in DOUBTFUL.items():
        assert note.startswith(str(int(mnist.test.labels[index]))), index
