"""The fewest errors."""

import json
from pathlib import Path

from lenet.config.load import find_config
from lenet.studies.records import RECORDS
from lenet.studies.study import ENSEMBLE, collect


def test_seeds_are_summed_up_and_ensembles_counted_together(tmp_path: Path, finish) -> None:
    finish("modern/lenet5", [40, 44, 48])
    finish("modern/ciresan", [65])
    together = {"errors": 31, "runs": {"0": 40, "1": 44, "2": 48}}
    (tmp_path / "modern/lenet5" / ENSEMBLE).write_text(json.dumps(together))
    assert RECORDS.table(collect(RECORDS, tmp_path, [])).markdown().splitlines() == [
        "| network | test errors of 10,000 | accuracy | of | epochs | minutes each |",
        "|---|---:|---:|---|---:|---:|",
        "| modern LeNet-5, 61,706 parameters | 44.0 ± 4.0 | 99.56 % | 3 seeds | 20 | 1.5 |",
        "| ensemble of these LeNet-5s | 31 | 99.69 % | 3 together | 20 | 1.5 |",
        "| Cireşan's MLP 1000-500, deformations | 65 | 99.35 % | 1 seed | 90 | 1.5 |",
    ]


def test_each_row_has_a_config() -> None:
    for row in RECORDS.rows:
        assert find_config(row.config).is_file()
