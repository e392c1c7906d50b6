"""Pictures of runs and studies.

A new figure is a function in a module of this folder, and a line in one of the two tables.
"""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from lenet.errors import UsageError
from lenet.figures.architecture import draw_architecture
from lenet.figures.augmentation import draw_augmentation
from lenet.figures.cam import draw_cam, draw_scene
from lenet.figures.confidence import draw_calibration, draw_rejection
from lenet.figures.confusion import draw_confusion
from lenet.figures.curves import draw_curves
from lenet.figures.embedding import draw_embedding
from lenet.figures.errors import draw_errors
from lenet.figures.filters import draw_filters
from lenet.figures.ladder import draw_ladder
from lenet.figures.maps import draw_maps
from lenet.figures.reproduction import draw_figure6, draw_figure9
from lenet.figures.subject import Subject, UnfitError
from lenet.runs.run import Run


def _draw_augmentation(subject: Subject) -> Figure:
    """Draw what the network learns from: augmented digits, and where their strokes fall.

    Raises:
        UnfitError: The config has no augmentation.
    """
    try:
        return draw_augmentation(subject.run.config, subject.train, subject.name)
    except UsageError as error:
        raise UnfitError(f"{error}; the figure `errors` fits") from error


FIGURES: dict[str, Callable[[Subject], Figure]] = {
    "errors": draw_errors,
    "confusion": draw_confusion,
    "architecture": draw_architecture,
    "filters": draw_filters,
    "maps": draw_maps,
    "cam": draw_cam,
    "scene": draw_scene,
    "rejection": draw_rejection,
    "calibration": draw_calibration,
    "embedding": draw_embedding,
    "augmentation": _draw_augmentation,
}
"""Figures of one finished run."""

COMPARISONS: dict[str, Callable[[Sequence[Run]], Figure]] = {
    "curves": draw_curves,
    "ladder": draw_ladder,
    "figure6": draw_figure6,
    "figure9": draw_figure9,
}
"""Figures of several runs together."""
