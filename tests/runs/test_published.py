"""A published experiment reads as its runs did."""

import math
from pathlib import Path

import pytest
import torch

from lenet.config.load import load_config
from lenet.errors import RunError, UsageError
from lenet.runs.files import DamagedFileError
from lenet.runs.find import find_runs, open_runs, published_names
from lenet.runs.publish import write_experiment
from lenet.runs.published import PublishedRun
from lenet.runs.run import Run

FILES = ["config.yaml", "environment.json", "metrics.csv", "results.jsonl", "weights.safetensors"]


def finished_run(root: Path, seed: int) -> Run:
    run = Run.create("net", load_config("modern/plain", seed=seed).config, root)
    run.write_json("environment.json", {"commit": "abc", "command": ["lenet", f"{seed}"]})
    run.append("metrics.jsonl", {"epoch": 1, "loss/train": 1.0, "errors/train": 7})
    run.append(
        "metrics.jsonl",
        {"epoch": 2, "loss/train": 0.1 + 0.2, "errors/train": 1, "errors/test": 5 + seed},
    )
    for epoch in (1, 2):
        run.append("timing.jsonl", {"epoch": epoch, "seconds": 3.25, "images_per_second": 2e-07})
    run.write_json("result.json", {"seed": seed, "dataset": "mnist", "errors/test": 5 + seed})
    run.save_weights({"c1.weight": torch.full((2, 3), float(seed)), "n": torch.tensor(seed)})
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [finished_run(tmp_path / "runs", seed) for seed in (0, 1, 10)]


@pytest.fixture
def folder(tmp_path: Path, runs: list[Run]) -> Path:
    write_experiment(tmp_path / "published" / "net", runs, weights=True)
    return tmp_path / "published" / "net"


def test_every_seed_reads_as_its_run(folder: Path, runs: list[Run]) -> None:
    published = find_runs(folder)
    assert [run.folder for run in published] == [folder / "0", folder / "1", folder / "10"]
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for before, after in zip(runs, published, strict=True):
        assert isinstance(after, PublishedRun)
        assert (after.seed, after.config) == (before.seed, before.config)
        assert after.finished and after.begun and after.has_weights
        for file in ("result.json", "environment.json"):
            assert after.read_json(file) == before.read_json(file)
        for file in ("metrics.jsonl", "timing.jsonl"):
            # As text, for 1 and 1.0 are equal, and 0.30000000000000004 is to keep its last digit.
            assert [*map(str, after.lines(file))] == [*map(str, before.lines(file))]
        torch.testing.assert_close(after.load_weights(), before.load_weights(), rtol=0, atol=0)


def test_the_table_of_metrics_has_a_line_per_seed_and_epoch(folder: Path) -> None:
    assert (folder / "metrics.csv").read_text().splitlines()[:3] == [
        "seed,epoch,loss/train,errors/train,errors/test,seconds,images_per_second",
        "0,1,1.0,7,,3.25,2e-07",
        "0,2,0.30000000000000004,1,5,3.25,2e-07",
    ]


def test_numbers_that_are_not_finite_come_back(tmp_path: Path, runs: list[Run]) -> None:
    runs[0].append("metrics.jsonl", {"epoch": 3, "loss/train": math.nan, "loss/test": -math.inf})
    write_experiment(tmp_path / "net", runs, weights=False)
    last = find_runs(tmp_path / "net" / "0")[0].lines("metrics.jsonl")[2]
    assert math.isnan(last["loss/train"])
    assert last["loss/test"] == -math.inf


def test_what_the_seeds_environments_share_is_written_once(folder: Path) -> None:
    assert (folder / "environment.json").read_text() == '{\n  "commit": "abc"\n}\n'
    first = (folder / "results.jsonl").read_text().splitlines()[0]
    assert first.endswith('"environment": {"command": ["lenet", "0"]}}')


def test_a_seed_and_the_folders_above_can_be_named(folder: Path) -> None:
    assert [run.seed for run in open_runs(str(folder / "10"))] == [10]
    assert [run.seed for run in open_runs(str(folder))] == [0, 1, 10]
    assert open_runs(str(folder.parent)) == open_runs(str(folder))
    with pytest.raises(UsageError, match="net/2: there is no such seed; there are 0, 1, 10"):
        open_runs(str(folder / "2"))


def test_an_experiment_without_weights_says_so(tmp_path: Path, runs: list[Run]) -> None:
    write_experiment(tmp_path / "net", runs, weights=False)
    run = find_runs(tmp_path / "net")[0]
    assert not run.has_weights
    with pytest.raises(RunError, match="published without its weights"):
        run.load_weights()


def test_writing_again_leaves_nothing_of_before(folder: Path, runs: list[Run]) -> None:
    (folder / "ensemble.json").write_text("{}")
    write_experiment(folder, runs[:1], weights=False)
    assert sorted(path.name for path in folder.iterdir()) == FILES[:-1]
    assert [run.seed for run in find_runs(folder)] == [0]


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("results.jsonl", "{", "results.jsonl is damaged"),
        ("results.jsonl", '{"dataset": "mnist"}\n', "results.jsonl is damaged: it has no seed"),
        ("metrics.csv", "seed,epoch,loss/train\n0,1,much\n", "metrics.csv is damaged"),
        ("metrics.csv", "epoch\n1\n", "metrics.csv is damaged"),
        ("metrics.csv", "seed,loss/train\n0,1.5\n", "metrics.csv:1 is damaged"),
    ],
)
def test_damage_is_noticed(folder: Path, file: str, content: str, fault: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(DamagedFileError, match=fault):
        find_runs(folder / "0", strict=True)[0].lines("metrics.jsonl")


def test_nothing_is_trained_into_a_published_experiment(folder: Path) -> None:
    with pytest.raises(UsageError, match="published/net holds published runs; --name NAME"):
        Run.create("net", load_config("modern/plain").config, folder.parent)


def test_published_runs_are_found_by_name() -> None:
    assert {"handwriting", "lenet5", "paper/lenet5"} <= set(published_names())
    assert [run.seed for run in open_runs("published:lenet5/3")] == [3]
    assert {run.folder.parent.name for run in open_runs("published:augmentation")} == {
        "with",
        "without",
    }
    with pytest.raises(UsageError, match=r"no published run 'lenet5s'; did you mean 'lenet5'\?"):
        open_runs("published:lenet5s")
    with pytest.raises(UsageError, match="published:lenet5/7: there is no such seed; there are 0"):
        open_runs("published:lenet5/7")
