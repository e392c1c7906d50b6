"""Trained networks for ``torch.hub.load("OWNER/REPOSITORY", NAME)``.

Each is a module from images in [0, 1] with background 0, float (B, 1, 28, 28), to the probability
of each digit, (B, 10). Its part ``.model`` is the network itself, ``.preprocess`` what the images
go through before.
"""

from torch import nn

from lenet.config.load import load_config
from lenet.evaluation.classifier import build_classifier, load_classifier
from lenet.export.graph import Reader
from lenet.runs.find import open_runs

dependencies = ["torch", "numpy", "pydantic", "yaml", "safetensors"]
"""What torch.hub looks for before it calls a function."""


def lenet5(pretrained: bool = True, seed: int = 0) -> nn.Module:
    """LeNet-5 with today's parts, trained with augmentation: 41.4 ± 2.9 test errors of 10,000.

    Args:
        pretrained: Whether to load the published weights, or leave them as they begin.
        seed: Which of the five published networks, 0 to 4.

    Example:
        >>> network = torch.hub.load(".", "lenet5", source="local")
        >>> network(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 10])
    """
    return _load("lenet5", "modern/lenet5", pretrained, seed)


def lenet5_1998(pretrained: bool = True, seed: int = 0) -> nn.Module:
    """LeNet-5 as published in 1998, with its second-order training rule; see `lenet5`."""
    return _load("paper/lenet5", "paper/lenet5", pretrained, seed)


def handwriting(pretrained: bool = True, seed: int = 0) -> nn.Module:
    """The network for photographed digits that ``lenet predict`` is shown with; see `lenet5`."""
    return _load("handwriting", "modern/handwriting", pretrained, seed)


def _load(run: str, config: str, pretrained: bool, seed: int) -> nn.Module:
    if pretrained:
        (opened,) = open_runs(f"published:{run}/{seed}")
        return Reader(load_classifier(opened)).eval()
    return Reader(build_classifier(load_config(config, seed=seed).config))
