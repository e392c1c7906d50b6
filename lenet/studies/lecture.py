"""Short studies of what pooling, padding and prior knowledge are for, in networks of minutes."""

from collections.abc import Mapping

from lenet.studies.study import ACCURACY, Column, Row, Study


def _study(name: str, question: str, *rows: Row) -> Study:
    columns = (
        Column("test errors of {n}", lambda m: str(m.summary)),
        ACCURACY,
        Column("seconds each", lambda m: f"{m.seconds:.0f}"),
    )
    return Study(name, question, rows, columns)


def _rows(labels: Mapping[str, str]) -> list[Row]:
    return [Row(label=label, config=f"lecture/{name}") for name, label in labels.items()]


POOLING = _study(
    "pooling",
    "What is pooling for?",
    *_rows(
        {
            "pool-max": "max-pooling",
            "pool-average": "average pooling",
            "pool-subsampling": "trainable subsampling (1998)",
            "pool-stride": "stride 2 instead",
            "pool-none": "none",
        }
    ),
)

PADDING = _study(
    "padding",
    "What is padding for?",
    *_rows(
        {
            "pool-max": "valid",
            "pad-same": "same, zeros",
            "pad-background": "same, background level first",
            "pad-reflect": "same, reflection",
            "pad-full": "full, zeros",
        }
    ),
)

NEIGHBOURS = _study(
    "neighbours",
    "Who knows which pixels are neighbours?",
    *(
        Row(
            label=label,
            config=f"lecture/{kind}",
            runs=f"lecture/neighbours-{kind}",
            overrides=("data.train_size=6000", "train.epochs=5", "evaluate.every=5"),
        )
        for kind, label in {
            "mlp": "MLP",
            "mlp-shuffled": "MLP, pixels shuffled",
            "lenet5": "LeNet-5",
            "lenet5-shuffled": "LeNet-5, pixels shuffled",
        }.items()
    ),
)


def _sized(size: int, epochs: int) -> list[Row]:
    """Return a row per network for a training set of `size` images."""
    whole = size == 60_000
    change = (f"data.train_size={size}", f"train.epochs={epochs}", f"evaluate.every={epochs}")
    return [
        Row(
            label=f"{size:,} images: {label}",
            config=f"lecture/{kind}",
            runs=f"lecture/{kind}" if whole else f"lecture/{kind}-{size}",
            overrides=() if whole else change,
            seeds=3,
        )
        for kind, label in {
            "mlp": "MLP",
            "mlp-augmented": "MLP, augmented",
            "lenet5": "LeNet-5",
            "lenet5-augmented": "LeNet-5, augmented",
        }.items()
    ]


PRIOR_KNOWLEDGE = _study(
    "prior-knowledge",
    "When does prior knowledge pay? (180,000 images each)",
    *_sized(1_000, 180),
    *_sized(6_000, 30),
    *_sized(60_000, 3),
)
