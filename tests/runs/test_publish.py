"""What is published can be repeated, and is listed in one table."""

import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.find import CLONED, open_runs
from lenet.runs.publish import check_publishable, publish, results_table
from lenet.runs.run import Run

CLEAN = {"commit": "0123456789abcdef", "threads": 2}


def finished_run(
    root: Path, seed: int = 0, *overrides: str, environment: dict = CLEAN, name: str = "net"
) -> Run:
    run = Run.create(name, load_config("modern/plain", overrides, seed=seed).config, root)
    run.write_json("environment.json", environment)
    run.append("metrics.jsonl", {"epoch": 1, "errors/test": 7})
    run.append("timing.jsonl", {"epoch": 1, "seconds": 2.25, "images_per_second": 0.5})
    result = {"seed": seed, "dataset": "mnist", "epochs": 1, "errors/test": 7, "n/test": 100}
    run.write_json("result.json", result)
    run.save_weights({"c1.weight": torch.full((2,), float(seed))})
    return run


def test_published_runs_read_as_the_runs_did(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path / "runs", seed) for seed in (1, 0)]
    folder = publish([str(run.folder) for run in runs], tmp_path / "published", "a/b")
    assert folder == tmp_path / "published" / "a" / "b"
    for before, after in zip(reversed(runs), open_runs(str(folder)), strict=True):
        assert after.config == before.config
        assert after.read_json("result.json") == before.read_json("result.json")
        assert after.read_json("environment.json") == before.read_json("environment.json")
        assert after.lines("metrics.jsonl") == before.lines("metrics.jsonl")
        assert after.lines("timing.jsonl") == before.lines("timing.jsonl")
        torch.testing.assert_close(after.load_weights(), before.load_weights(), rtol=0, atol=0)


def test_every_published_run_has_a_line_in_the_table_of_results(tmp_path: Path) -> None:
    for name in ("b", "a"):
        finished_run(tmp_path / "runs", name=name)
        publish([str(tmp_path / "runs" / name)], tmp_path / "published")
    # 61,706 parameters of LeNet-5, and a scale and a shift for each of 6 + 16 + 120 + 84 channels.
    assert (tmp_path / "published" / "results.csv").read_text().splitlines() == [
        "experiment,seed,dataset,parameters,epochs,errors/test,n/test,accuracy/test,errors/validation,accuracy/validation,"
        "seconds,commit",
        "a,0,mnist,62158,1,7,100,0.93,,,2.2,0123456789abcdef",
        "b,0,mnist,62158,1,7,100,0.93,,,2.2,0123456789abcdef",
    ]


def test_parameters_are_counted_for_the_classes_and_channels_of_the_runs_data(
    tmp_path: Path,
) -> None:
    letters = ["data.name=emnist-letters", "model.batch_norm=false"]
    finished_run(tmp_path / "runs", 0, *letters, name="letters")
    colours = ["data.name=cifar-10", "model.batch_norm=false"]
    finished_run(tmp_path / "runs", 0, *colours, name="colours")
    for name in ("colours", "letters"):
        publish([str(tmp_path / "runs" / name)], tmp_path / "published")
    table = (tmp_path / "published" / "results.csv").read_text().splitlines()[1:]
    # 61,706 parameters of LeNet-5; two more channels for six kernels of 5 × 5; 16 more classes.
    assert [line.split(",")[3] for line in table] == [
        str(61_706 + 2 * 6 * 25),
        str(61_706 + 16 * (84 + 1)),
    ]


def test_the_table_of_results_is_up_to_date() -> None:
    assert (CLONED / "results.csv").read_text() == results_table(CLONED)


def test_an_experiment_is_replaced_only_if_asked(tmp_path: Path) -> None:
    run, said = finished_run(tmp_path / "runs"), []
    folder = publish([str(run.folder)], tmp_path / "published")
    (folder / "ensemble.json").write_text("{}")
    with pytest.raises(UsageError, match="net is published already; --overwrite replaces it"):
        publish([str(run.folder)], tmp_path / "published")
    publish(
        [str(run.folder)], tmp_path / "published", weights=False, overwrite=True, say=said.append
    )
    assert not open_runs(str(folder))[0].has_weights
    assert not (folder / "ensemble.json").exists()
    assert "ensemble.json belonged to the old weights" in said[0]
    with pytest.raises(UsageError, match="published exists and is no published experiment"):
        publish([str(run.folder)], tmp_path, "published")


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    (run.folder / "result.json").unlink()
    with pytest.raises(
        UsageError, match=r"net/0 is unfinished; `lenet resume .*net/0` continues it"
    ):
        publish([str(tmp_path / "net")], tmp_path / "published")


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, "comes from an unknown commit"),
        ({"commit": None}, "comes from an unknown commit"),
        ({"commit": "0123456789+"}, "comes from a changed copy of commit 0123456: commit the"),
    ],
)
def test_a_run_that_nobody_can_repeat_is_refused(
    tmp_path: Path, environment: dict, fault: str
) -> None:
    with pytest.raises(UsageError, match=f"net/0 {re.escape(fault)}"):
        check_publishable([finished_run(tmp_path, environment=environment)])


def test_runs_of_two_experiments_are_refused(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, 0), finished_run(tmp_path, 1, "optimizer.lr=0.5")]
    with pytest.raises(UsageError, match=r"net/0 and .*net/1 .*: optimizer.lr is 0.2 and 0.5"):
        check_publishable(runs)


def test_seeds_that_learned_from_different_images_are_refused(tmp_path: Path) -> None:
    images = ({"train": 60_000, "test": 10_000}, {"train": 59_999, "test": 10_000})
    runs = [
        finished_run(tmp_path, seed, environment=CLEAN | {"images": images[seed]})
        for seed in (0, 1)
    ]
    with pytest.raises(UsageError, match=r"learned from other images: images is .*60000.*59999"):
        check_publishable(runs)


def test_the_same_seed_twice_is_refused(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path), finished_run(tmp_path, name="again")]
    with pytest.raises(UsageError, match=r"net/0 and .*again/0 have the same seed, 0"):
        check_publishable(runs)


@pytest.mark.parametrize(
    ("key", "override"),
    [
        ("train.from", "train.from=published:lenet5/0"),
        ("distil.teacher", "distil.teacher=published:lenet5"),
        ("data.boosting.earlier", "data.boosting.earlier=[published:lenet5]"),
    ],
)
def test_a_run_that_learned_from_unknown_networks_is_refused(
    tmp_path: Path, key: str, override: str
) -> None:
    overrides = [override, "train.images_per_epoch=600"]
    unknown = finished_run(tmp_path, 0, *overrides)
    with pytest.raises(UsageError, match=f"net/0 has learned from the networks of {key}, but"):
        check_publishable([unknown])
    recorded = CLEAN | {"sha256": {key: ["ab"]}}
    known = finished_run(tmp_path, 1, *overrides, environment=recorded)
    check_publishable([known])


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "runs")
    to = tmp_path / "published"
    done = CliRunner().invoke(app, ["publish", str(run.folder), "--to", str(to), "--name", "x"])
    assert done.stdout.splitlines() == [str(to / "x"), str(to / "results.csv")]
    (to / "results.csv").unlink()
    assert CliRunner().invoke(app, ["publish", "--to", str(to)]).exit_code == 0
    assert len((to / "results.csv").read_text().splitlines()) == 2
