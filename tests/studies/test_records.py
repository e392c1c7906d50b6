"""The record table."""

import json
from pathlib import Path

from lenet.config.load import find_config, load_config
from lenet.config.schema import Config
from lenet.runs.run import Run
from lenet.studies.records import ENSEMBLE, RECORDS, Record, markdown


def finished(root: Path, seed: int, errors: int) -> Config:
    config = load_config("quickstart", seed=seed).config
    run = Run.create("small", config, root)
    run.append("timing.jsonl", {"epoch": 1, "seconds": 60.0})
    run.append("timing.jsonl", {"epoch": 2, "seconds": 30.0})
    run.write_json("result.json", {"errors/test": errors})
    return config


def test_a_record_is_the_mean_of_its_seeds_beside_what_was_to_be_reached(tmp_path: Path) -> None:
    for seed, errors in enumerate((40, 44, 48)):
        finished(tmp_path, seed, errors)
    last = markdown(tmp_path, [Record("a net", "small", 38)]).splitlines()[-1]
    assert last == "| a net | ≤ 38 | 44.0 ± 4.0 | 3 seeds | 3 | 1.5 |"


def test_an_ensemble_is_counted_by_what_it_says_together(tmp_path: Path) -> None:
    finished(tmp_path, 0, 40)
    said = {"errors": 31, "runs": {"small/0": 40, "small/1": 41}}
    (tmp_path / "small" / ENSEMBLE).write_text(json.dumps(said))
    last = markdown(tmp_path, [Record("nets", "small", 25, ensemble=True)]).splitlines()[-1]
    assert last == "| nets | ≤ 25 | 31 | 2 together | 3 | 1.5 |"


def test_what_was_not_run_has_a_dash(tmp_path: Path) -> None:
    last = markdown(tmp_path, [Record("a net", "small", 38)]).splitlines()[-1]
    assert last == "| a net | ≤ 38 | – | – | – | – |"
    last = markdown(tmp_path, [Record("a net", "small", None)]).splitlines()[-1]
    assert last == "| a net |  | – | – | – | – |"
    finished(tmp_path, 0, 40)
    last = markdown(tmp_path, [Record("nets", "small", 25, ensemble=True)]).splitlines()[-1]
    assert last == "| nets | ≤ 25 | – | – | – | – |"


def test_each_record_has_a_config() -> None:
    for record in RECORDS:
        name = record.experiment
        assert find_config(name if "/" in name else f"modern/{name}").is_file()
