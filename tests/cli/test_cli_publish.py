"""Commands about configs and published runs that write files."""

from pathlib import Path

from typer.testing import CliRunner, Result

from lenet.cli import app
from lenet.config.load import find_config


def lenet(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_config_is_copied_as_it_is_and_never_over_another_file(elsewhere: Path) -> None:
    copied = lenet("config", "copy", "quickstart", "mine/experiment.yaml")
    assert copied.exit_code == 0
    assert "lenet train mine/experiment.yaml" in copied.stderr
    text = Path("mine/experiment.yaml").read_text(encoding="utf-8")
    assert text == find_config("quickstart").read_text(encoding="utf-8")
    again = lenet("config", "copy", "modern/plain", "mine/experiment.yaml")
    assert again.exit_code == 2 and "exists already" in again.stderr
    assert Path("mine/experiment.yaml").read_text(encoding="utf-8") == text
    below = lenet("config", "copy", "quickstart", "mine/experiment.yaml/under")
    assert below.exit_code == 2 and "cannot be written" in below.stderr


def test_a_config_of_ours_is_well_formed_and_a_wrong_one_is_not(elsewhere: Path) -> None:
    assert lenet("config", "validate", "lecture/gap").stdout == "lecture/gap is well-formed\n"
    wrong = lenet("config", "validate", "quickstart", "--set", "input.size=28")
    assert wrong.exit_code == 2 and "input.size" in wrong.stderr


def test_publishing_nothing_writes_an_empty_table_and_says_where(elsewhere: Path) -> None:
    written = lenet("publish", "--to", ".")
    assert written.exit_code == 0, written.output
    assert written.stdout == "results.csv\n"
    assert len(Path("results.csv").read_text(encoding="utf-8").splitlines()) == 1


def test_a_run_that_is_not_there_is_not_published(elsewhere: Path) -> None:
    refused = lenet("publish", "nothing", "--to", "out")
    assert refused.exit_code == 2 and "nothing" in refused.stderr
    assert not Path("out").exists()


def test_a_benchmark_of_an_unknown_transform_lists_those_there_are() -> None:
    refused = lenet("bench", "augment", "RandomAfine")
    assert refused.exit_code == 2
    assert "no transform 'RandomAfine' here; there are" in refused.stderr
