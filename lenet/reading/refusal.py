"""Tell digits from letters, scribbles, and digits that touch.

A network of ten classes takes each mark for one of its classes, often with certainty. Another one,
which learned digits against other marks, is asked beside it.
"""

from functools import cache

import torch
from torch import Tensor

from lenet.data.sources import DIGITS, Description
from lenet.evaluation.classifier import Classifier, Ensemble, load_classifier
from lenet.runs.find import NoRunError, open_runs

NAME = "published:digit-or-not"
OTHER = "other"  # its class of what is no digit
NO_DIGIT = 0.8
"""The probability from which on a mark is called no digit; chosen on development pictures."""


def share_other(inks: Tensor, data: Description | None) -> Tensor:
    """Return the probability that each image shows no digit, (N,); 0 where no network tells.

    Args:
        inks: (N, 28, 28) or (N, 1, 28, 28), float in [0, 1].
        data: What the network that reads learned from; None: MNIST.
    """
    judge = find_judge(data)
    if judge is None:
        return torch.zeros(len(inks))
    return Ensemble([judge])(inks)[:, judge.data.classes.index(OTHER)]


def find_judge(data: Description | None) -> Classifier | None:
    """Return the network that tells digits from other marks, whose class `OTHER` is.

    None: it is not installed, or the network that reads has other classes than the ten digits or
    takes pictures whole.

    Args:
        data: What the network that reads learned from; None: MNIST.
    """
    asked = data is None or (data.classes == DIGITS and not data.whole_pictures)
    return _load() if asked else None


@cache
def _load() -> Classifier | None:
    try:
        return load_classifier(open_runs(NAME)[0])
    except NoRunError:
        return None
