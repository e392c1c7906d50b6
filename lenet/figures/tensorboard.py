"""The figures, curves, codes and graph of a finished run, for TensorBoard."""

import io
from collections.abc import Callable, Iterable
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch import Tensor

from lenet.device import choose_device
from lenet.errors import LenetError, RunError, shell
from lenet.figures import FIGURES, style
from lenet.figures.embedding import encode
from lenet.figures.subject import Subject, UnfitError
from lenet.models.summary import summarize_network
from lenet.runs.events import EventFile, as_graph, find_events, summary
from lenet.runs.files import write_atomically
from lenet.runs.find import find_runs
from lenet.runs.lock import lock
from lenet.runs.run import Run
from lenet.training.tensorboard import lacks_events, write_events

SLOW = {"augmentation", "embedding"}
"""Figures that take seconds; only `lenet figures` draws them."""
MOST_CODES = 1000
EVENTS = "figures"
"""Suffix of the events file that holds the figures, beside that of the training."""
PROJECTOR_CONFIG = "projector_config.pbtxt"
"""Written last: if it exists, the figures are complete."""

PROJECTOR = "projector"
CONFIG = """\
embeddings {{
  tensor_name: "{name}"
  tensor_path: "projector/codes.tsv"
  metadata_path: "projector/labels.tsv"
  sprite {{
    image_path: "projector/images.png"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
}}
"""


def lacks_pictures(run: Run) -> bool:
    """Tell whether a finished run still lacks the pictures that `evaluate.pictures` asks for."""
    config = run.config
    wanted = run.finished and config.evaluate.pictures and config.data.strings is None
    return wanted and not (run.folder / PROJECTOR_CONFIG).is_file()


def complete_events(
    runs: Iterable[Run],
    data: Path | None,
    device: str,
    say: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Write what TensorBoard, only a view, lacks of finished runs; a failure is a warning.

    Args:
        runs: The runs; those that are unfinished or complete are left as they are.
        data: A folder to look for the datasets in first.
        device: Where to compute, by the name that users give.
        say: Takes messages.
        stop: Asked before each run.
    """
    for run in runs:
        try:
            if lacks_events(run) and not stop():
                write_events(run, say)
            if lacks_pictures(run) and not stop():
                say(f"seed {run.seed}: drawing the figures for TensorBoard …")
                illustrate(run, data, choose_device(device))
        except LenetError as error:
            say(f"warning: {error}")
            say(f"warning: `{shell('lenet', 'resume', run.folder)}` draws the figures")


def illustrate(run: Run, data: Path | None = None, device: torch.device | str = "cpu") -> None:
    """Write the figures, the precision-recall curves and the codes of a finished run.

    Files of an interrupted drawing are replaced.

    Args:
        run: The run.
        data: A folder to look for the dataset in first.
        device: Where to compute.

    Raises:
        UsageError: Another process holds the folder.
        RunError: The run is unfinished; its weights or the images are missing or damaged; a file
            cannot be written.
    """
    subject = Subject.open(run, data, device)
    step = run.config.train.epochs + 1  # beside the result, after the last epoch
    with lock(run.folder):
        old = find_events(run.folder, EVENTS)
        with EventFile(run.folder, f".{EVENTS}") as events:
            write_figures(events, subject, step)
            write_curves(events, subject, step)
            events.add([as_graph(draw_graph(subject))])
        try:
            for path in old:
                path.unlink()
            (run.folder / PROJECTOR).mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"{run.folder} cannot be written: {error.strerror}") from error
        write_codes(subject)


def write_figures(events: EventFile, subject: Subject, step: int) -> None:
    """Write all figures that fit the run, except the slow ones, as images ``figures/N NAME``.

    TensorBoard sorts them by the number. All seeds of an experiment have one architecture: the
    first one shows it.
    """
    seeds = find_runs(subject.run.folder.parent)  # those that can be read
    first = not seeds or subject.run.folder == seeds[0].folder
    known = SLOW if first else {*SLOW, "architecture"}
    with style.applied():
        for number, (name, draw) in enumerate(FIGURES.items(), 1):
            if name not in known:
                try:
                    figure = draw(subject)
                except UnfitError:
                    continue
                tag = f"figures/{number} {name}"
                drawn = summary.image(tag, style.pixels(figure), dataformats="HWC")
                events.add_summary(drawn, step)


def write_curves(events: EventFile, subject: Subject, step: int) -> None:
    """Write a precision-recall curve ``classes/NAME`` for each class against all others."""
    for label, name in enumerate(subject.names):
        truth = (subject.test.labels == label).cpu().numpy()
        guess = subject.probabilities[:, label].cpu().numpy()
        events.add_summary(summary.pr_curve(f"classes/{name}", truth, guess), step)


def draw_graph(subject: Subject) -> GraphDef:
    """Return the layers with weights or of another size than the one before, one after another.

    The names are those of `lenet summary`. (PyTorch's own graphs need its deprecated tracing, and
    show hundreds of operations.)
    """
    classifier = subject.classifier
    size = classifier.preprocess.size
    found = summarize_network(classifier.model, (classifier.data.channels, size, size))
    graph = GraphDef()
    layers = [("input", "Input", found.input, 0)]
    layers += [(row.name, row.kind, row.output, row.parameters) for row in found.rows]
    for name, kind, output, parameters in layers:
        before = [node.name for node in graph.node[-1:]]
        node = graph.node.add(name=name.replace(".", "/"), op=kind, input=before)
        node.attr["parameters"].i = parameters
        shape = node.attr["_output_shapes"].list.shape.add()
        for length in (-1, *output):
            shape.dim.add(size=length)
    return graph


def tile_square(images: Tensor) -> npt.NDArray[np.uint8]:
    """Put images into a square of squares, row by row, as the projector expects them.

    Args:
        images: uint8 (N, C, S, S) with 1 or 3 channels.

    Returns:
        (n·S, n·S) or (n·S, n·S, 3), n the smallest with n² ≥ N; what is left is 0.
    """
    count, channels, side, _ = images.shape
    columns = isqrt(count - 1) + 1
    tiles = np.zeros((columns**2, channels, side, side), np.uint8)
    tiles[:count] = images.cpu().numpy()
    rows = tiles.reshape(columns, columns, channels, side, side).transpose(0, 3, 1, 4, 2)
    square = rows.reshape(columns * side, columns * side, channels)
    return square[:, :, 0] if channels == 1 else square


def write_codes(subject: Subject) -> None:
    """Write the codes of test images with labels and pictures, for the projector.

    The mistakes come first, then other test images up to `MOST_CODES` in all.
    """
    mistakes = subject.mistakes().tolist()
    others = set(range(min(MOST_CODES, len(subject.test)))) - set(mistakes)
    chosen = [*mistakes, *sorted(others)][:MOST_CODES]
    name, codes = encode(subject, subject.test.images[chosen])
    folder = subject.run.folder / PROJECTOR
    table = io.BytesIO()
    np.savetxt(table, codes.cpu().numpy(), fmt="%.5g", delimiter="\t")
    write_atomically(folder / "codes.tsv", table.getvalue())
    names = subject.names
    labels, said = subject.test.labels[chosen].tolist(), subject.predictions[chosen].tolist()
    lines = ["label\tprediction\tverdict\ttest image"]
    for index, truth, guess in zip(
        chosen, (names[i] for i in labels), (names[i] for i in said), strict=True
    ):
        verdict = "right" if truth == guess else f"{truth} → {guess}"
        lines.append(f"{truth}\t{guess}\t{verdict}\t{index}")
    write_atomically(folder / "labels.tsv", ("\n".join(lines) + "\n").encode())
    square, side = tile_square(subject.test.images[chosen]), subject.test.images.shape[-1]
    picture = io.BytesIO()
    Image.fromarray(square if subject.test.pictures else 255 - square).save(picture, "png")
    write_atomically(folder / "images.png", picture.getvalue())
    config = CONFIG.format(name=name, side=side)
    write_atomically(subject.run.folder / PROJECTOR_CONFIG, config.encode())
