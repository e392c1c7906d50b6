"""From 1998 to today one change at a time."""

import json
from itertools import pairwise
from pathlib import Path

from lenet.config.load import load_config
from lenet.figures.reproduction import draw_study
from lenet.studies.ladder import LADDER
from lenet.studies.study import ENSEMBLE, collect


def test_each_step_changes_little() -> None:
    steps = [row.config for row in LADDER.rows if not row.ensemble]
    sections = [load_config(name).config.model_dump() for name in steps]
    changed = [
        {key for key in before if before[key] != after[key]} - {"evaluate", "train"}
        for before, after in pairwise(sections[2:])
    ]
    assert changed == [
        {"model"},
        {"model"},
        {"model", "optimizer"},
        {"loss"},
        {"loss", "optimizer", "augment"},
    ]


def test_the_table_says_what_each_step_changed(tmp_path: Path, finish) -> None:
    finish("paper/lenet5", [95, 105])
    finish("ladder/1-optimizer", [90])
    finish("modern/lenet5", [40, 42])
    together = {"errors": 36, "runs": {"0": 40, "1": 42}}
    (tmp_path / "modern/lenet5" / ENSEMBLE).write_text(json.dumps(together))
    measured = collect(LADDER, tmp_path, [])
    assert LADDER.table(measured).markdown().splitlines()[2:] == [
        "| 0 the paper | 100.0 ± 7.1 | 99.00 % | 2 |  |",
        "| 1 SGD in batches, 4 epochs | 90 | 99.10 % | 1 | -10.0 |",
        "| 7 augmentation, 20 epochs | 41.0 ± 1.4 | 99.59 % | 2 | -49.0 |",
        "| 8 ensemble | 36 | 99.64 % | 1 | -5.0 |",
    ]
    assert [row["change"] for row in LADDER.as_dicts(measured)] == [None, -10.0, -49.0, -5.0]
    ((name, figure),) = draw_study(LADDER, measured).items()
    assert name == "ladder"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][-1] == "8 ensemble"
