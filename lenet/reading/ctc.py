"""Find the string that a network trained by connectionist temporal classification (CTC) reads.

Such a network says of each column of a line's picture which class it sees, or the blank between
two of them; a string can be laid along the columns in many ways.

Source: Graves et al. 2006, "Connectionist temporal classification", section 3.2.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lenet.losses import LOSSES

BEAM = 8  # strings that the search keeps
UNLIKELY = 1e-4  # probability of a class in a column below which the search does not look


def search_string(columns: Tensor, beam: int = BEAM) -> tuple[list[int], float]:
    """Find the likeliest string: a search that keeps some strings at each column.

    Args:
        columns: Probabilities of the classes and, last, the blank, (T, classes + 1).
        beam: Strings to keep; 1 is about the best path.

    Returns:
        The string, and its probability over all ways to lay it along the columns.
    """
    shares: npt.NDArray[np.float64] = columns.double().numpy()
    blank = shares.shape[1] - 1
    # Probability that the columns so far spell a string and end in a blank, or in its last label.
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for column in shares:
        seen = np.flatnonzero(column[:blank] > UNLIKELY).tolist()
        longer: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for string, (ended, going) in kept.items():
            longer[string][0] += (ended + going) * column[blank]
            if string:
                longer[string][1] += going * column[string[-1]]
            for label in seen:
                before = ended if string and string[-1] == label else ended + going
                longer[(*string, label)][1] += before * column[label]
        best = sorted(longer.items(), key=lambda item: -sum(item[1]))[:beam]
        total = sum(best[0][1]) or 1.0  # only ratios count; without it long lines underflow
        kept = {string: (ended / total, going / total) for string, (ended, going) in best}
    likeliest = max(kept.items(), key=lambda item: sum(item[1]))[0]
    return list(likeliest), measure_string(columns, likeliest)


def measure_string(columns: Tensor, labels: Sequence[int]) -> float:
    """Return the probability of a string over all ways to lay it along columns (T, classes + 1)."""
    targets = torch.tensor([labels], dtype=torch.long).view(1, -1)
    logits = columns.double().clamp(min=1e-30).log()[None]
    return math.exp(-float(LOSSES["ctc"]()(logits, targets)))


def align_string(columns: Tensor, labels: Sequence[int]) -> list[tuple[int, int]]:
    """Lay a string along the columns in the likeliest way.

    Args:
        columns: Probabilities (T, classes + 1), the blank last.
        labels: The string, not empty.

    Returns:
        The first column of each label and the one after its last.
    """
    logs = columns.double().clamp(min=1e-30).log().numpy()
    blank = logs.shape[1] - 1
    states = [blank]
    for label in labels:
        states += [label, blank]
    skips = np.array(
        [i > 1 and s != blank and s != states[i - 2] for i, s in enumerate(states)], dtype=bool
    )
    score = np.full(len(states), -np.inf)
    score[:2] = logs[0, states[:2]]
    steps = []
    for column in logs[1:]:
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf] * 2, score[:-2]]), -np.inf)
        choices = np.stack([score, one, two])
        steps.append(choices.argmax(axis=0))
        score = choices.max(axis=0) + column[states]
    state = len(states) - 1 - int(score[-2] > score[-1])
    path = [state]
    for step in reversed(steps):
        state -= int(step[state])
        path.append(state)
    order = np.array(path[::-1])
    places = [np.flatnonzero(order == 2 * i + 1) for i in range(len(labels))]
    return [(int(p[0]), int(p[-1]) + 1) for p in places]
