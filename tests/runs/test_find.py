"""A name on the command line means one run or several."""

from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.find import name_run, open_runs
from lenet.runs.run import Run


def finished_run(root: Path, seed: int) -> Run:
    run = Run.create("net", load_config("modern/plain", seed=seed).config, root)
    run.write_json("result.json", {})
    return run


def test_a_folder_is_one_run_and_its_parent_all_seeds(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, seed) for seed in (0, 1)]
    Run.create("net", load_config("modern/plain", seed=2).config, tmp_path)  # unfinished
    assert open_runs(str(runs[1].folder)) == [runs[1]]
    assert open_runs(str(tmp_path / "net")) == runs


def test_a_run_is_named_as_commands_find_it(tmp_path: Path, monkeypatch) -> None:
    run = finished_run(tmp_path, 3)
    assert name_run(run) == str(tmp_path / "net" / "3")
    monkeypatch.chdir(tmp_path)
    (published,) = open_runs("published:lenet5/2")
    assert name_run(published) == "published:lenet5/2"


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is neither a run nor a folder of runs"):
        open_runs(str(tmp_path))
    with pytest.raises(UsageError, match="no published run 'lenet-6'; did you mean 'lenet5'"):
        open_runs("published:lenet-6")
    with pytest.raises(UsageError, match=r"no published run '[.]{2}/"):
        open_runs("published:../..")
