"""The fewest test errors: what LeNet-5 of 1998 and today's networks reach, and their cost."""

from lenet.studies.study import ACCURACY, ERRORS, Column, Measured, Row, Study


def _asked(measured: Measured) -> str:
    """Say how many networks the count is of."""
    if measured.together is not None:
        return f"{len(measured.together['runs'])} together"
    return f"{len(measured.errors)} seed{'s' * (len(measured.errors) > 1)}"


RECORDS = Study(
    "records",
    "network",
    (
        Row(label="LeNet-5 of 1998, by the paper's rule", config="paper/lenet5"),
        Row(label="the same with distortions", config="paper/lenet5-distorted"),
        Row(label="modern LeNet-5, two epochs", config="modern/speedrun"),
        Row(label="modern LeNet-5, no augmentation", config="modern/plain"),
        Row(label="modern LeNet-5, 61,706 parameters", config="modern/lenet5"),
        Row(label="ensemble of these LeNet-5s", config="modern/lenet5", ensemble=True),
        Row(label="LeNet-5 for digits sheared upright", config="modern/upright"),
        Row(label="compact network, 58,974 parameters", config="modern/compact"),
        Row(label="ensemble of these", config="modern/compact", ensemble=True),
        Row(label="the same, 80 epochs, stronger distortions", config="modern/compact-longer"),
        Row(label="ensemble of these", config="modern/compact-longer", ensemble=True),
        Row(label="Cireşan's MLP 1000-500, deformations", config="modern/ciresan", seeds=1),
        Row(label="MLP 784-3333-3333-3333-10", config="modern/perceptron", seeds=1),
    ),
    (
        ERRORS,
        ACCURACY,
        Column("of", _asked, left=True),
        Column("epochs", lambda m: str(m.epochs)),
        Column("minutes each", lambda m: f"{m.seconds / 60:.1f}"),
    ),
)
"""Fewest errors without regard to 1998, beside those of 1998."""
