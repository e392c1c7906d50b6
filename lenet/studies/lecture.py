"""The lecture's claims as studies: what is trained, and the table that it comes to.

Every number comes from run folders. What is finished is not trained again, so a study can be
interrupted at any time and goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.find import find_runs
from lenet.runs.run import Run
from lenet.statistics import summarize


@dataclass(frozen=True)
class Case:
    """One network of a study."""

    name: str
    """Its runs lie in ``lecture/NAME/SEED``."""
    label: str
    config: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """Networks that differ in one thing, side by side."""

    question: str
    seeds: int
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Answer:
    """A case and what its finished runs came to."""

    case: Case
    errors: list[int]
    """Test errors of each seed."""
    n: int
    """Test images."""
    seconds: float
    """Mean time of a training."""

    def as_dict(self) -> dict[str, Any]:
        """Return the answer for JSON."""
        return {"name": self.case.name, "label": self.case.label} | {
            "errors": self.errors, "n": self.n, "seconds": self.seconds
        }  # fmt: skip


def _plain(**labels: str) -> tuple[Case, ...]:
    return tuple(
        Case(name.replace("_", "-"), label, f"lecture/{name.replace('_', '-')}")
        for name, label in labels.items()
    )


def _sized(size: int, epochs: int) -> tuple[Case, ...]:
    kinds = {
        "mlp": "MLP",
        "mlp-augmented": "MLP, augmented",
        "lenet5": "LeNet-5",
        "lenet5-augmented": "LeNet-5, augmented",
    }
    change = (f"data.train_size={size}", f"train.epochs={epochs}", f"evaluate.every={epochs}")
    return tuple(
        Case(
            kind if size == 60_000 else f"{kind}-{size}",
            f"{size:,} images: {label}",
            f"lecture/{kind}",
            () if size == 60_000 else change,
        )
        for kind, label in kinds.items()
    )


_NEIGHBOURS = ("data.train_size=6000", "train.epochs=5", "evaluate.every=5")

STUDIES: dict[str, Study] = {
    "pooling": Study(
        "What is pooling for?",
        5,
        _plain(
            pool_max="max-pooling",
            pool_average="average pooling",
            pool_subsampling="trainable subsampling (1998)",
            pool_stride="stride 2 instead",
            pool_none="none",
        ),
    ),
    "padding": Study(
        "What is padding for?",
        5,
        _plain(
            pool_max="valid",
            pad_same="same, zeros",
            pad_background="same, background level first",
            pad_reflect="same, reflection",
            pad_full="full, zeros",
        ),
    ),
    "neighbours": Study(
        "Who knows which pixels are neighbours?",
        3,
        tuple(
            Case(f"neighbours-{kind}", label, f"lecture/{kind}", _NEIGHBOURS)
            for kind, label in {
                "mlp": "MLP",
                "mlp-shuffled": "MLP, pixels shuffled",
                "lenet5": "LeNet-5",
                "lenet5-shuffled": "LeNet-5, pixels shuffled",
            }.items()
        ),
    ),
    "prior-knowledge": Study(
        "When does prior knowledge pay? (180,000 presentations each)",
        3,
        (*_sized(1_000, 180), *_sized(6_000, 30), *_sized(60_000, 3)),
    ),
}
"""The studies by name."""


def choose_studies(names: Sequence[str]) -> list[Study]:
    """Return the named studies, or all if none is named.

    Raises:
        UsageError: There is no such study.
    """
    for name in names:
        if name not in STUDIES:
            raise UsageError(f"no study {name!r}; there are {', '.join(STUDIES)}")
    return [study for name, study in STUDIES.items() if not names or name in names]


def train_missing(
    study: Study,
    root: Path,
    *,
    seeds: int | None = None,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Train a study's cases until each has its seeds' finished runs in `root`.

    Args:
        study: What to train.
        root: The folder of the runs.
        seeds: Runs per case, from seed 0 on; None: the study's own number.
        overrides: ``section.key=value`` texts for all cases.
        data: A folder to look for the dataset in first.
        stop: Asked after each step whether to save and end.
        say: Takes progress messages.
    """
    from lenet.training.experiment import run_experiment

    for case in study.cases:
        if stop():
            return
        config = load_config(case.config, [*case.overrides, *overrides]).config
        run_experiment(
            config,
            f"lecture/{case.name}",
            seeds=seeds or study.seeds,
            data=data,
            root=root,
            resume=True,
            stop=stop,
            say=say,
        )


def answer(study: Study, root: Path) -> list[Answer]:
    """Collect a study's finished runs from `root`; cases without one are left out."""
    found = []
    for case in study.cases:
        runs = [run for run in find_runs(root / "lecture" / case.name) if run.finished]
        if runs:
            found.append(_answer(case, runs))
    return found


def markdown(study: Study, answers: Sequence[Answer]) -> str:
    """Return a study's table as Markdown."""
    if not answers:
        return f"{study.question} No finished runs."
    lines = [
        f"| {study.question} | test errors of {answers[0].n:,} | seconds each |",
        "|---|---:|---:|",
    ]
    for found in answers:
        errors = summarize(found.errors)
        lines.append(f"| {found.case.label} | {errors} | {found.seconds:.0f} |")
    return "\n".join(lines)


def _answer(case: Case, runs: Sequence[Run]) -> Answer:
    results = [run.read_json("result.json") for run in runs]
    seconds = [sum(line["seconds"] for line in run.lines("timing.jsonl")) for run in runs]
    errors = [result["errors/test"] for result in results]
    return Answer(case, errors, results[0]["n/test"], sum(seconds) / len(seconds))
