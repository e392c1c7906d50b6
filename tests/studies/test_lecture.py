"""The lecture's studies, and the document that walks through them."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import config_names, load_config
from lenet.studies.lecture import NEIGHBOURS, PADDING, POOLING, PRIOR_KNOWLEDGE
from lenet.studies.study import collect

STUDIES = (POOLING, PADDING, NEIGHBOURS, PRIOR_KNOWLEDGE)
DOCUMENT = Path(__file__).parents[2] / "docs" / "lecture.md"
SMALL = [
    "data.name=mnist-sample",
    "data.train_size=64",
    "train.epochs=1",
    "evaluate.pictures=false",
]
runner = CliRunner()


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_configs_of_a_study_differ() -> None:
    for study in STUDIES:
        configs = [load_config(row.config, row.overrides).config for row in study.rows]
        assert all(configs.count(config) == 1 for config in configs)


def test_training_sets_of_all_sizes_are_shown_equally_many_images() -> None:
    for row in PRIOR_KNOWLEDGE.rows:
        config = load_config(row.config, row.overrides).config
        assert (config.data.train_size or 60_000) * config.train.epochs == 180_000


def test_every_config_of_the_lecture_is_used() -> None:
    used = {row.config for study in STUDIES for row in study.rows}
    used |= set(re.findall(r"lecture/[\w-]+", " ".join(commands())))
    assert {name for name in config_names() if name.startswith("lecture/")} <= used


def test_a_table_has_the_errors_and_the_seconds(tmp_path: Path, finish) -> None:
    finish("lecture/pool-max", [280, 290])
    finish("lecture/pool-none", [300])
    assert POOLING.table(collect(POOLING, tmp_path, [])).markdown().splitlines() == [
        "| What is pooling for? | test errors of 10,000 | accuracy | seconds each |",
        "|---|---:|---:|---:|",
        "| max-pooling | 285.0 ± 7.1 (n = 2) | 97.15 % | 90 |",
        "| none | 300.0 (n = 1) | 97.00 % | 90 |",
    ]


@pytest.mark.slow
def test_every_command_of_the_document_works(elsewhere: Path) -> None:
    small = [word for text in SMALL for word in ("--set", text)]
    ran = 0
    for command in commands():
        program, *arguments = command.split()
        assert program == "lenet"
        if arguments[0] == "reproduce":
            arguments += ["--seeds", "1", "--jobs", "2", *small]
        if arguments[0] == "train":
            arguments += small
        if arguments[0] == "robustness":
            arguments += ["--images", "20"]
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
        ran += 1
    assert ran >= 12
