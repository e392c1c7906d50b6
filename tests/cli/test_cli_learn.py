"""The commands that explain networks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lenet.cli import app

runner = CliRunner()


def lenet(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def test_summary_ends_with_the_papers_totals() -> None:
    total = next(
        line for line in lenet("summary", "lecture/lenet5-1998").splitlines() if "total" in line
    )
    assert total.split() == ["total", "60,000", "340,908", "328,096"]


def test_summary_for_machines() -> None:
    content = json.loads(lenet("summary", "lecture/gap", "--json"))
    assert content["rows"][0]["name"] == "conv1"
    assert content["parameters"] == 17_354


def test_summary_says_where_a_network_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(
        "extends: lecture/gap\nmodel:\n  layers:\n    - max\n    - conv: {filters: 6, size: 40}\n"
    )
    output = lenet("summary", str(file), code=2)
    assert "net.yaml:5:26: model.layers.1.conv.size" in output
    assert "(16 + 2·0 - 40)/1 + 1 = -23" in output


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("--input 5x5 --size 3 --padding 1 --stride 2", "(5 + 2·1 - 3)/2 + 1 = 3"),
        ("--input 640x480x3 --filters 10 --size 5", "(5·5·3 + 1)·10 = 760"),
        ("--input 3x3 --size 3 --padding 1 --stride 2 --transposed", "(3 - 1)·2 - 2·1 + 3 = 5"),
    ],
)
def test_arithmetic_answers_the_lectures_exercises(question: str, answer: str) -> None:
    assert answer in lenet("arithmetic", *question.split())


def test_arithmetic_refuses_an_impossible_layer() -> None:
    assert "does not fit into 5 + 2·0 pixels" in lenet(
        "arithmetic", "--input", "5x5", "--size", "7", code=2
    )
