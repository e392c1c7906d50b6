"""The lecture's studies, and the document that walks through them."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lenet.studies.lecture as lecture
from lenet.cli import app
from lenet.config.load import config_names, load_config
from lenet.errors import UsageError
from lenet.studies.lecture import STUDIES, answer, choose_studies, markdown, train_missing

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


def test_a_studys_cases_differ_and_have_configs() -> None:
    for study in STUDIES.values():
        configs = [load_config(c.config, c.overrides).config for c in study.cases]
        assert all(configs.count(config) == 1 for config in configs)
        assert len({case.label for case in study.cases}) == len(study.cases)


def test_the_sizes_of_training_sets_are_shown_equally_many_pictures() -> None:
    for case in STUDIES["prior-knowledge"].cases:
        config = load_config(case.config, case.overrides).config
        assert (config.data.train_size or 60_000) * config.train.epochs == 180_000


def test_every_config_of_the_lecture_is_used() -> None:
    used = {case.config for study in STUDIES.values() for case in study.cases}
    used |= set(re.findall(r"lecture/[\w-]+", " ".join(commands())))
    assert {name for name in config_names() if name.startswith("lecture/")} <= used


def test_an_unknown_study_is_named() -> None:
    with pytest.raises(UsageError, match="no study 'pool'; there are pooling, padding"):
        choose_studies(["pool"])


def test_a_study_trains_what_is_missing_and_only_that(elsewhere: Path) -> None:
    study = STUDIES["neighbours"]
    study = lecture.Study(study.question, 2, study.cases[:1])
    said: list[str] = []
    train_missing(study, elsewhere, overrides=SMALL, say=said.append)
    [found] = answer(study, elsewhere)
    assert len(found.errors) == 2
    assert found.n == 1_000
    assert "| MLP | " in markdown(study, [found])
    assert "(n = 2)" in markdown(study, [found])
    said.clear()
    train_missing(study, elsewhere, overrides=SMALL, say=said.append)
    assert [line for line in said if "finished already" in line]
    assert not [line for line in said if "epoch 1/1" in line]


def test_a_study_without_runs_says_so(elsewhere: Path) -> None:
    assert answer(STUDIES["pooling"], elsewhere) == []
    assert markdown(STUDIES["pooling"], []) == "What is pooling for? No finished runs."


@pytest.mark.parametrize("command", ["lecture", "reproduce lecture"])
def test_tables_can_be_looked_at_without_training(elsewhere: Path, command: str) -> None:
    result = runner.invoke(app, [*command.split(), "pooling", "--no-train"])
    assert result.exit_code == 0
    assert result.output == "What is pooling for? No finished runs.\n"


@pytest.mark.slow
def test_every_command_of_the_document_works(elsewhere: Path) -> None:
    small = [word for text in SMALL for word in ("--set", text)]
    ran = 0
    for command in commands():
        program, *arguments = command.split()
        assert program == "lenet"
        if arguments[0] == "lecture":
            arguments += ["--seeds", "1", *small]
        if arguments[0] == "train":
            arguments += small
        if arguments[0] == "viewpoint":
            arguments += ["--images", "20"]
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
        ran += 1
    assert ran >= 12
