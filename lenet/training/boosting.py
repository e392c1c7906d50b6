"""Networks that learn from the mistakes of those before them, as the paper's boosted LeNet-4.

The first learns from all images. The second learns from as many that the first gets right as wrong,
the third from those on which the two disagree; what the three put out is added.

Source: Section III-C, "Boosted LeNet-4"; Drucker, Schapire and Simard 1993.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.config.schema import Config
from lenet.data.datasets import Split
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, load_classifier
from lenet.rng import generator
from lenet.runs.find import find_earlier, pick_seed

EARLIER = ("data", "boosting", "earlier")


def load_earlier(config: Config, seed: int, device: torch.device) -> list[Classifier]:
    """Load the networks that come before the one of a config; none where it boosts nothing.

    Args:
        config: Names the runs, or the folders of several seeds, of which the same seed is taken.
        seed: Of the network that is to learn from their mistakes.
        device: Where to compute.

    Raises:
        UsageError: A run is missing, was trained by another loss, or has learned from images that
            are validation images here.
        RunError: Its weights are missing or damaged.
    """
    if config.data.boosting is None:
        return []
    classifiers = []
    for name in config.data.boosting.earlier:
        run = pick_seed(find_earlier(name, config, EARLIER), seed, name, EARLIER)
        if run.config.loss.kind != config.loss.kind:
            raise UsageError(
                f"{name} was trained by {run.config.loss.kind}, not {config.loss.kind}:"
                " their outputs cannot be added",
                EARLIER,
            )
        classifiers.append(load_classifier(run, device))
    return classifiers


def choose_images(split: Split, earlier: Sequence[Classifier], seed: int) -> Tensor:
    """Return the images that the next network learns from, as sorted indices (n,).

    Args:
        split: The training images.
        earlier: The one or two networks before it.
        seed: Decides which of the images that the first gets right are taken.

    Raises:
        UsageError: The networks make no mistake, or never disagree.
    """
    said = [classifier.classify(classifier.infer(split.images)) for classifier in earlier]
    if len(said) == 1:
        is_wrong = said[0] != split.labels
        right, wrong = (~is_wrong).nonzero()[:, 0], is_wrong.nonzero()[:, 0]
        drawn = torch.randperm(len(right), generator=generator(seed, "boosting"))[: len(wrong)]
        chosen = torch.cat([wrong, right[drawn.to(right.device)]])
    else:
        chosen = (said[0] != said[1]).nonzero()[:, 0]
    if not len(chosen):
        raise UsageError("the earlier networks leave no image to learn from", EARLIER)
    return chosen.sort().values
