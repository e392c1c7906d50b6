"""Class activation maps: where in a picture a network sees a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.data.preprocessing import scale_pixels
from lenet.errors import name_class
from lenet.figures import style
from lenet.figures.layers import Layer, observe
from lenet.figures.subject import Subject, UnfitError
from lenet.models.layers import PartialConvolution

IMAGES = 6


@dataclass(frozen=True)
class ActivationMaps:
    """Where a network sees classes in pictures.

    Attributes:
        layer: The convolution whose feature maps they are made of.
        values: float32 (C, B, H', W') at the layer's own positions, positive where evidence speaks
            for the class.
        step: From one position to the next, in pixels of the picture.
    """

    layer: Layer
    values: Tensor
    step: float


def activation_maps(
    model: nn.Module, inputs: Tensor, classes: Sequence[int]
) -> ActivationMaps | None:
    """Return where each class is seen in each picture, or None if there is no convolution.

    The feature maps of the last convolution are added up, each weighted by the mean gradient of the
    class's logit with respect to it. With global average pooling before a linear output
    these are the class activation maps of Zhou et al. divided by the number of positions; in any
    other network they are Grad-CAM before its last step, which drops evidence against a class.

    Args:
        model: The network.
        inputs: Preprocessed images, float32 (B, channels, H, W).
        classes: C classes.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", 2016; Selvaraju
    et al., "Grad-CAM", 2017.
    """
    with torch.enable_grad():
        layers = observe(model, inputs)
        seeing = [
            place
            for place, layer in enumerate(layers)
            if layer.planes and isinstance(layer.module, nn.Conv2d | PartialConvolution)
        ]
        if not seeing:
            return None
        last = layers[seeing[-1]]
        state = last.state  # (B, channels, H', W')
        outputs = layers[-1].units
        logits = -outputs if model.outputs == "penalties" else outputs
        maps = []
        for label in classes:
            (gradient,) = torch.autograd.grad(logits[:, label].sum(), state, retain_graph=True)
            importance = gradient.mean((2, 3), keepdim=True)  # (B, channels, 1, 1)
            maps.append((importance * state).sum(1))
    step = prod(layer.stride for layer in layers[: seeing[-1] + 1])
    return ActivationMaps(last, torch.stack(maps).detach(), step)


def draw_cam(subject: Subject) -> Figure:
    """Draw class activation maps: where in the picture the network sees a class.

    By default the test images with the closest decisions, each with its two most probable classes;
    with `Subject.image` that image, with all classes or those of `Subject.classes`.

    Raises:
        UnfitError: The network has no convolution with more than one position.
    """
    if subject.image is None:
        best = subject.probabilities.topk(2, 1)
        indices = (best.values[:, 0] - best.values[:, 1]).argsort(stable=True)[:IMAGES].cpu()
        asked = [list(subject.classes) or best.indices[i].tolist() for i in indices]
    else:
        indices = torch.tensor([subject.image])
        asked = [list(subject.classes or range(len(subject.names)))]
    inputs = subject.classifier.preprocess(scale_pixels(subject.test.images[indices]))
    found = activation_maps(subject.classifier.model, inputs, range(len(subject.names)))
    if found is None:
        raise UnfitError(
            f"{subject.run.folder}: {subject.run.config.model.kind} has no convolution, so it"
            " sees no class in one place; the figure `filters` shows what its units look for"
        )

    # Several images: one column each. A single one: row by row.
    cells = 1 + len(asked[0])
    columns = len(indices) if len(indices) > 1 else min(cells, 6)
    rows = cells if len(indices) > 1 else -(-cells // columns)
    side = min(style.WIDTH / columns, 2.0)
    figure = style.new_figure(
        rows * (side + 0.2) + 0.4,
        f"{subject.name}: where {found.layer.name.upper()} sees evidence for a class (blue)"
        " or against (orange)",
    )
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        style.bare(axes)
    names = style.short_names(subject.names)
    longest = max(len(names[label]) for labels in asked for label in labels) + len("said: , 99 %")
    size = min(9.0, 72 * side / (0.6 * longest))
    for image, (index, labels) in enumerate(zip(indices.tolist(), asked, strict=True)):
        cell = iter(grid[:, image] if len(indices) > 1 else grid.flat)
        picture = subject.restore(inputs[image]).cpu()
        strokes = style.strokes(picture, pictures=subject.test.pictures)
        axes = next(cell)
        style.show(axes, picture, pictures=subject.test.pictures)
        truth = name_class(names[int(subject.test.labels[index])])
        axes.set_title(truth, loc="center", fontsize=size)
        maps = found.values[labels, image].cpu()
        full = float(maps.abs().max())  # one scale for all classes of an image
        for label, map_ in zip(labels, maps, strict=True):
            axes = next(cell)
            _draw_overlay(axes, strokes, map_, found.step, full, subject.test.pictures)
            share = f"{names[label]}, {100 * float(subject.probabilities[index, label]):.0f} %"
            said = label == int(subject.predictions[index])
            axes.set_title(
                f"said: {share}" if said else share,
                loc="center", fontweight="bold" if said else "normal", fontsize=size,
            )  # fmt: skip
            if said:
                style.frame(axes, "C1")
    return figure


def draw_scene(subject: Subject) -> Figure:
    """Draw one picture made of two, and where in it each of the two classes is seen.

    A network that ends in global averages takes pictures of any size, and its maps tell the digits
    apart though it was trained on single ones. The classes are the first two asked for; if none is,
    4 and 7, or the first two where there are fewer.

    Raises:
        UnfitError: The network does not end in global averages, or there is no such digit.
    """
    usual = (4, 7) if len(subject.names) > 7 else (0, 1)
    classes = (*subject.classes, *usual)[:2]
    images = []
    for label in classes:
        found = (subject.test.labels == label).nonzero()
        if not len(found):
            name = name_class(subject.names[label])
            raise UnfitError(f"{subject.run.folder}: there is no test image of {name}")
        images.append(subject.test.images[found[0]])
    pictures = [subject.classifier.preprocess(scale_pixels(image)) for image in images]
    layers = observe(subject.classifier.model, pictures[0])
    if not any(isinstance(layer.module, nn.AdaptiveAvgPool2d) for layer in layers):
        raise UnfitError(
            f"{subject.run.folder}: {subject.run.config.model.kind} does not end in global"
            " averages, so it takes pictures of one digit only; the figure `maps` fits"
        )
    scene = torch.cat(pictures, dim=3)  # (1, 1, size, 2 size)
    seen = activation_maps(subject.classifier.model, scene, classes)
    assert seen is not None  # a global average has maps to average
    figure = style.new_figure(
        2.3, f"{subject.name}: evidence for two classes (blue), or against (orange)"
    )
    whole, *panels = figure.subplots(1, 3)
    picture = subject.restore(scene[0]).cpu()
    strokes = style.strokes(picture, pictures=subject.test.pictures)
    style.show(style.bare(whole), picture, pictures=subject.test.pictures)
    whole.set_title("seen at once", loc="center", fontweight="normal")
    maps, names = seen.values[:, 0].cpu(), style.short_names(subject.names)
    full = float(maps.abs().max())
    for axes, label, map_ in zip(panels, classes, maps, strict=True):
        _draw_overlay(style.bare(axes), strokes, map_, seen.step, full, subject.test.pictures)
        where = f"where {name_class(names[label])} is"
        axes.set_title(where, loc="center", fontweight="normal")
    return figure


def _draw_overlay(
    axes: Axes, strokes: Tensor, seen: Tensor, step: float, full: float, pictures: bool
) -> None:
    """Draw a map in colours, and on it a picture's tones or the outlines of a digit's strokes."""
    axes.imshow(lay_out(strokes, seen, step, full).numpy())
    low, high = float(strokes.min()), float(strokes.max())
    if pictures:
        shade = torch.tensor(to_rgb(style.foreground())).expand(*strokes.shape, 3)
        tones = 0.75 * (strokes - low) / max(high - low, 1e-12)
        axes.imshow(torch.cat([shade, tones[..., None]], dim=2).numpy())
    elif high > low:
        axes.contour(strokes.numpy(), [(low + high) / 2], colors=style.foreground(), linewidths=0.9)


def lay_out(picture: Tensor, seen: Tensor, step: float, full: float) -> Tensor:
    """Bring a map to the picture's size: blue for evidence for the class, orange for against.

    Without padding, the outermost positions of a map lie inside the picture. The map is centred on
    the picture, and the rim stays blank.

    Args:
        picture: How much each pixel stands out, (H, W).
        seen: (H', W').
        step: From one position of the map to the next, in pixels of the picture.
        full: The value drawn in full colour.

    Returns:
        RGB in 0 to 1, (H, W, 3).
    """
    # From -1 to 1 across the map, where the picture's pixels lie on it.
    y, x = (
        (torch.arange(pixels) + 0.5 - pixels / 2) * 2 / (step * places)
        for pixels, places in zip(picture.shape, seen.shape, strict=True)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]  # (1, H, W, 2)
    laid = F.grid_sample(seen[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
    laid = torch.where((grid[0].abs() <= 1).all(dim=-1), laid, 0)
    strength = laid / max(full, 1e-12)
    return torch.tensor(style.diverging()(strength.numpy() / 2 + 0.5)[..., :3]).float()
