"""The networks of the 1998 paper's Figure 9, their test errors beside the paper's."""

from collections.abc import Sequence
from typing import Any

from lenet.runs.run import Run
from lenet.statistics import summarize
from lenet.studies.study import Column, Measured, Row, Study

TOLERANCE = 0.1
"""Per cent: the uncertainty that the caption of Figure 9 gives for its numbers."""


def judge(measured: Measured) -> str:
    """Return ``inside`` the paper's ± 0.1 %, ``better`` or ``worse``."""
    assert measured.row.paper_percent is not None
    difference = round(measured.percent.mean - measured.row.paper_percent, 6)
    if abs(difference) <= TOLERANCE:
        return "inside"
    return "better" if difference < 0 else "worse"


def train_percent(measured: Measured) -> float:
    """Return the mean error on the training images as they came in the last epoch, in per cent."""
    last = [run.lines("metrics.jsonl")[-1] for run in measured.runs]
    return 100 - 100 * summarize([metrics["accuracy/train"] for metrics in last]).mean


def _details(measured: Measured) -> dict[str, Any]:
    percent = measured.percent
    return {
        "source": measured.row.source,
        "paper_percent": measured.row.paper_percent,
        "mean_percent": round(percent.mean, 4),
        "sd_percent": None if percent.sd is None else round(percent.sd, 4),
        "train_percent": round(train_percent(measured), 4),
        "verdict": judge(measured),
    }


def _paper(measured: Measured) -> str:
    source = "" if measured.row.source == "Figure 9" else f" ({measured.row.source})"
    return f"{measured.row.paper_percent:.2f}{source}"


def _row(name: str, label: str, percent: float, source: str = "Figure 9", **options: Any) -> Row:
    return Row(label=label, config=f"paper/{name}", paper_percent=percent, source=source, **options)


FIGURE9 = Study(
    "figure9",
    "network",
    (
        _row("linear", "Linear", 12.0),
        _row("mlp-300", "28x28-300-10", 4.7),
        _row("mlp-300-distorted", "[dist] 28x28-300-10", 3.6),
        _row("mlp-1000", "28x28-1000-10", 4.5),
        _row("mlp-1000-distorted", "[dist] 28x28-1000-10", 3.8),
        _row("mlp-300-100", "28x28-300-100-10", 3.05),
        _row("mlp-300-100-distorted", "[dist] 28x28-300-100-10", 2.5),
        _row("mlp-500-150", "28x28-500-150-10", 2.95),
        _row("mlp-500-150-distorted", "[dist] 28x28-500-150-10", 2.45),
        _row("lenet1", "[16x16] LeNet-1", 1.7),
        _row("lenet4", "LeNet-4", 1.1),
        _row("lenet5-15k", "LeNet-5, 15,000 images", 1.68, "Figure 6"),
        _row("lenet5-30k", "LeNet-5, 30,000 images", 1.14, "Figure 6"),
        _row("lenet5", "LeNet-5", 0.95),
        _row("lenet5-distorted", "[dist] LeNet-5", 0.8),
        _row(
            "boosted-lenet4",
            "[dist] Boosted LeNet-4",
            0.7,
            seeds=3,
            stages=("paper/lenet4-distorted", "paper/boosted-lenet4-second"),
        ),
        _row("lush", "LeNet-5 without F6 (Lush)", 0.82, "Bottou"),
    ),
    (
        Column("paper, %", _paper),
        Column("ours, %", lambda m: f"{m.percent:.2f}"),
        Column("seeds", lambda m: str(len(m.runs))),
        Column("training, %", lambda m: f"{train_percent(m):.2f}"),
        Column("paper's ± 0.1 %", judge, left=True),
    ),
    _details,
)
"""The rows in the order of Figure 9; labels are the paper's."""


def sort_runs(runs: Sequence[Run]) -> list[Measured]:
    """Return the rows of Figure 9 whose finished runs are among these, by their folders' names."""
    finished = [run for run in runs if run.finished]
    rows = {
        row: [r for r in finished if r.folder.absolute().parts[-3:-1] == ("paper", row.name)]
        for row in FIGURE9.rows
    }
    return [Measured(row, seeds) for row, seeds in rows.items() if seeds]
