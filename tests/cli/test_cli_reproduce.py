"""The command that trains studies and prints their tables."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lenet.studies.study as study
from lenet.cli import app
from lenet.config.load import load_config
from lenet.runs.run import Run

runner = CliRunner()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two finished runs of LeNet-5 and one of the ladder's first step; nothing is published."""
    monkeypatch.setattr(study, "PLACES", ())
    for name, errors in (("paper/lenet5", (90, 94)), ("ladder/1-optimizer", (96,))):
        for seed, count in enumerate(errors):
            run = Run.create(name, load_config(name, seed=seed).config, tmp_path)
            run.append("metrics.jsonl", {"epoch": 1, "accuracy/train": 0.998})
            run.append("timing.jsonl", {"epoch": 1, "seconds": 60.0})
            run.write_json("result.json", {"errors/test": count, "n/test": 10_000})
    return tmp_path


def reproduce(*arguments: str) -> str:
    result = runner.invoke(app, ["reproduce", "--no-train", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tables_of_several_studies_stand_one_below_the_other(runs: Path) -> None:
    lines = reproduce("lenet5", "ladder", "--runs", str(runs)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [" ".join(line.split()) for line in lines if "92.0" in line or "0.92" in line] == [
        "LeNet-5 0.95 0.92 ± 0.03 2 0.20 inside",
        "0 the paper 92.0 ± 2.8 99.08 % 2",
    ]
    markdown = reproduce("ladder", "--runs", str(runs), "--markdown").splitlines()
    assert markdown[-1] == "| 1 SGD in batches, 4 epochs | 96 | 99.04 % | 1 | +4.0 |"


def test_json_is_one_list_of_rows(runs: Path) -> None:
    rows = json.loads(reproduce("figure9", "ladder", "--runs", str(runs), "--json"))
    assert [(row["study"], row["row"], row["errors"]) for row in rows] == [
        ("figure9", "lenet5", [90, 94]),
        ("ladder", "lenet5", [90, 94]),
        ("ladder", "1-optimizer", [96]),
    ]


def test_tables_and_figures_are_written(runs: Path) -> None:
    reproduce("lenet5", "ladder", "--runs", str(runs), "--to", str(runs / "to"))
    assert {path.name for path in (runs / "to").iterdir()} == {
        "figure5.png", "figure6.png", "figure9.json", "figure9.md", "figure9.png",
        "ladder.json", "ladder.md", "ladder.png",
    }  # fmt: skip


def test_figures_are_drawn_in_a_format_and_theme_which_are_checked_first(runs: Path) -> None:
    study = ["ladder", "--runs", str(runs), "--to", str(runs / "to")]
    reproduce(*study, "--format", "svg", "--theme", "dark")
    assert "fill: #0d1117" in (runs / "to" / "ladder.svg").read_text()
    for option, value, refusal in (
        ("--theme", "black", "no theme"),
        ("--format", "gif", "not gif"),
    ):
        result = runner.invoke(app, ["reproduce", *study, option, value])
        assert result.exit_code == 2 and refusal in result.stderr


def test_a_study_without_runs_says_so(runs: Path) -> None:
    result = runner.invoke(app, ["reproduce", "pooling", "--no-train", "--runs", str(runs)])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "pooling has no finished run" in result.stderr


def test_an_unknown_study_is_refused(runs: Path) -> None:
    result = runner.invoke(app, ["reproduce", "lenet6"])
    assert result.exit_code == 2
    assert "no study 'lenet6'; there are figure9, ladder" in result.stderr


def test_options_that_have_no_effect_are_refused(runs: Path) -> None:
    for command, option in (
        (["reproduce", "ladder", "--no-train", "--data", "data"], "data"),
        (["reproduce", "ladder", "--no-train", "--seeds", "2"], "seeds"),
        (["figures", "--to", "pictures"], "to"),
        (["augment", "--set", "train.epochs=1"], "set"),
        (["filters", "picture.png", "--data", "data"], "data"),
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 2
        assert f"--{option} is not used " in result.output
