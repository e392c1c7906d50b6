"""From LeNet-5 of 1998 to today's, one change at a time: the test errors after each."""

from typing import Any

from lenet.studies.study import ACCURACY, ERRORS, Column, Measured, Row, Study


def change(measured: Measured) -> float | None:
    """Return the mean test errors minus those of the step before; None for the first step."""
    before = measured.before
    return None if before is None else measured.summary.mean - before.summary.mean


def _write_change(measured: Measured) -> str:
    difference = change(measured)
    return "" if difference is None else f"{difference:+.1f}"


def _details(measured: Measured) -> dict[str, Any]:
    difference = change(measured)
    return {"change": None if difference is None else round(difference, 4)}


_STEPS = {
    "0 the paper": "paper/lenet5",
    "1 SGD in batches, 4 epochs": "ladder/1-optimizer",
    "2 cross-entropy": "ladder/2-loss",
    "3 ReLU": "ladder/3-activation",
    "4 max-pooling": "ladder/4-pooling",
    "5 batch norm": "ladder/5-normalization",
    "6 averaged weights": "modern/plain",
    "7 augmentation, 20 epochs": "modern/lenet5",
}

LADDER = Study(
    "ladder",
    "step",
    (
        *(Row(label=label, config=config) for label, config in _STEPS.items()),
        Row(label="8 ensemble", config="modern/lenet5", ensemble=True),
    ),
    (
        Column("test errors", ERRORS.cell),
        ACCURACY,
        Column("seeds", lambda m: str(len(m.errors))),
        Column("change", _write_change),
    ),
    _details,
)
"""Each label says what changed."""
