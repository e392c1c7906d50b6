"""Tell digits from letters, scribbles, and digits that touch.

A network of ten classes takes each mark for one of its classes, often with certainty. Another one,
which learned digits against other marks, is asked beside it.
"""

from functools import cache

import torch
from torch import Tensor

from lenet.data.sources import DIGITS, Description
from lenet.evaluation.classifier import Ensemble, load_classifier
from lenet.runs.find import NoRunError, open_runs

NAME = "published:digit-or-not"
NO_DIGIT = 0.8
"""The probability from which on a mark is called no digit; chosen on development pictures."""


def share_other(inks: Tensor, data: Description | None) -> Tensor:
    """Return the probability that each image shows no digit, (N,).

    It is 0 where the network that reads has other classes than the ten digits, or takes pictures
    whole, and where `NAME` is not installed.

    Args:
        inks: (N, 28, 28) or (N, 1, 28, 28), float in [0, 1].
        data: What the network that reads learned from; None: MNIST.
    """
    asked = data is None or (data.classes == DIGITS and not data.whole_pictures)
    judge = _load() if asked else None
    if judge is None:
        return torch.zeros(len(inks))
    return judge(inks)[:, judge.data.classes.index("other")]


@cache
def _load() -> Ensemble | None:
    try:
        return Ensemble([load_classifier(run) for run in open_runs(NAME)])
    except NoRunError:
        return None
