"""A network's codes of images (the states of its last hidden layer) in two dimensions."""

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from lenet.data.preprocessing import scale_pixels
from lenet.errors import count as quantity
from lenet.figures import style
from lenet.figures.layers import observe
from lenet.figures.subject import Subject, UnfitError
from lenet.figures.tsne import embed

MARKERS = "osD^v<>PX*"
"""Taken in turn, so that classes can be told apart without colours."""


@torch.inference_mode()
def encode(subject: Subject, images: Tensor) -> tuple[str, Tensor]:
    """Return the name of the layer before the output, F6 in LeNet-5, and its states (N, units).

    A linear classifier has no such layer: its codes are the preprocessed pixels.

    Args:
        subject: The run.
        images: uint8 (N, C, H, W).
    """
    classifier, names, codes = subject.classifier, "input", []
    for block in torch.split(images, classifier.batch_size):
        inputs = classifier.preprocess(scale_pixels(block))
        layers = observe(classifier.model, inputs)
        states = inputs.flatten(1)
        if len(layers) > 1:
            names, states = layers[-2].name, layers[-2].units
        codes.append(states)
    return names, torch.cat(codes)


def draw_embedding(subject: Subject, count: int = 1000) -> Figure:
    """Draw the codes of test images in the plane so that similar codes lie together.

    Args:
        subject: The run.
        count: Number of test images from the first on; all misclassified ones are added.

    Raises:
        UnfitError: There are fewer than three test images.
    """
    if len(subject.test) < 3:
        raise UnfitError(
            f"{subject.run.folder}: {quantity(len(subject.test), 'test image')} cannot be laid out"
            " in a plane; it takes three"
        )
    wrong = subject.mistakes().cpu()
    chosen = torch.zeros(len(subject.test), dtype=torch.bool)
    chosen[:count] = True
    chosen[wrong] = True
    shown = chosen.nonzero()[:, 0]
    labels = subject.test.labels.cpu()[shown].numpy()
    layer, codes = encode(subject, subject.test.images[shown])
    points = embed(codes.cpu()).numpy()  # (shown, 2)
    figure = style.new_figure(
        6.2, f"{subject.name}: its {layer.upper()} codes of {len(shown):,} test images, by t-SNE"
    )
    axes = style.bare(figure.subplots())
    for label in range(len(subject.names)):
        x, y = points[labels == label].T
        marker = MARKERS[label % len(MARKERS)]
        axes.scatter(x, y, s=12, marker=marker, color=f"C{label % 7}", alpha=0.6, lw=0)
    x, y = points[torch.isin(shown, wrong).numpy()].T
    if len(wrong):
        axes.scatter(
            x, y, s=42, facecolor="none", edgecolor=style.foreground(), linewidth=0.9,
            label=f"all {len(wrong)} misclassified",
        )  # fmt: skip
        figure.legend(loc="outside upper right")
    # Ten digits are large; many or long names become small, down to what can be read.
    names = style.short_names(subject.names)
    written = len(names) * max(map(len, names))
    size = max(7.0, min(17.0, 17 * (40 / written) ** 0.5))
    axes.set_aspect("equal", adjustable="datalim")
    middles = [
        style.Point(name, *np.median(points[labels == label], axis=0))
        for label, name in enumerate(names)
        if (labels == label).any()
    ]
    style.label_points(
        axes, middles, upon=True, fontsize=size, fontweight="bold",
        path_effects=[withStroke(linewidth=3, foreground=style.paper())],
    )  # fmt: skip
    return figure
