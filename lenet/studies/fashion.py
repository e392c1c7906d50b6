"""Other images than digits: clothes, all of them and few, from scratch and from digits."""

from lenet.studies.study import ACCURACY, Column, Row, Study

LISTED = "Fashion-MNIST's README, 2 Conv <100K parameters"


def _few(per_class: int, epochs: int) -> list[Row]:
    """Return rows for so many training images of each of the ten classes."""
    size: tuple[str, ...] = (f"data.train_size={10 * per_class}", f"train.epochs={epochs}")
    size += (f"evaluate.every={epochs}",)
    return [
        Row(
            label=f"{per_class} per class: {label}",
            config="fashion/few",
            runs=f"fashion/{name}-{per_class}",
            overrides=(*size, *changes),
        )
        for label, name, changes in (
            ("from scratch", "scratch", ()),
            ("from digits", "from-digits", ("train.from=published:handwriting",)),
        )
    ]


FASHION = Study(
    "fashion",
    "Clothes, 28×28",
    (
        Row(
            label="LeNet-5's shape",
            config="fashion/lenet5",
            paper_percent=7.5,
            source=LISTED,
        ),
        Row(label="compact network", config="fashion/compact", paper_percent=7.5, source=LISTED),
        *_few(500, 24),
        *_few(100, 60),
        *_few(20, 160),
    ),
    (
        Column("test errors of {n}", lambda m: f"{m.summary:.0f}"),
        ACCURACY,
        Column(
            "listed for this size",
            lambda m: f"{100 - m.row.paper_percent:.1f} %" if m.row.paper_percent else "–",
        ),
        Column("seeds", lambda m: str(len(m.errors))),
    ),
)
"""All rows test on the same 10,000 images; the few are the same for all seeds."""
