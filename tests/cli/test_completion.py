"""What a shell is told when someone presses Tab."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import config_names


def complete(*words: str) -> list[str]:
    """Return the answers for the last word, as bash has divided the line."""
    line = {"COMP_WORDS": "\n".join(["lenet", *words]), "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(
        app, [], prog_name="lenet", env={"_LENET_COMPLETE": "complete_bash"} | line
    )
    assert result.exit_code == 0
    return [answer for answer in result.stdout.splitlines() if answer]


def test_configs_are_completed() -> None:
    assert complete("train", "quick") == ["quickstart"]
    assert complete("config", "show", "modern/") == [
        name for name in config_names() if name.startswith("modern/")
    ]


def test_keys_are_those_of_the_config_and_a_whole_key_gets_what_it_may_be() -> None:
    assert complete("train", "quickstart", "--set", "train.e") == ["train.epochs=", "train.ema="]
    assert complete("train", "quickstart", "--set", "train.epo") == ["train.epochs=3"]
    assert complete("train", "quickstart", "--set", "optimizer.eta") == []
    assert complete("train", "paper/lenet5", "--set", "optimizer.mu") == ["optimizer.mu=0.02"]
    assert complete("train", "quickstart", "--set", "model.batch_n") == [
        "model.batch_norm=true",
        "model.batch_norm=false",
    ]


def test_commands_without_a_config_complete_keys_too() -> None:
    assert complete("reproduce", "--set", "train.epo") == ["train.epochs=3"]


def test_bash_divides_words_at_equals_signs_and_colons_and_replaces_the_rest() -> None:
    assert complete("train", "quickstart", "--set", "train.order", "=") == ["shuffled", "constant"]
    assert complete("train", "quickstart", "--set", "train.order", "=", "c") == ["constant"]
    assert complete("predict", "published", ":", "handw") == ["handwriting"]
    assert complete("export", "published", ":", "handwriting/")[0] == "handwriting/0"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("lenet train quick", "quickstart"),
        ("lenet train quickstart --set train.order=c", "train.order=constant"),
        ("lenet predict published:handw", "published:handwriting"),
    ],
)
def test_zsh_and_fish_are_told_whole_words(line: str, answer: str) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    told = {"fish": answer, "zsh": answer.replace(":", r"\\:")}
    for shell, words in told.items():
        env = asked | {"_LENET_COMPLETE": f"complete_{shell}"}
        result = CliRunner().invoke(app, [], prog_name="lenet", env=env)
        assert words in result.stdout, result.output


def test_runs_are_completed_below_their_folder(elsewhere: Path) -> None:
    for folder in ("runs/deep/0", "runs/deep/1", "runs/other/0"):
        (elsewhere / folder).mkdir(parents=True)
        (elsewhere / folder / "config.yaml").write_text("")
    assert complete("resume", "") == ["runs/deep", "runs/other"]
    assert complete("resume", "runs/d") == ["runs/deep", "runs/deep/0", "runs/deep/1"]
    assert "published:handwriting" in complete("evaluate", "pub")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["export", "published:lenet5/0", "--format", "on"], "onnx"),
        (["figures", "published:lenet5/0", "conf"], "confusion"),
        (["figures", "published:lenet5/0", "--format", "s"], "svg"),
        (["evaluate", "published:lenet5", "--split", "v"], "validation"),
        (["reproduce", "pool"], "pooling"),
        (["data", "fetch", "fash"], "fashion-mnist"),
    ],
)
def test_formats_figures_and_other_words_are_completed(words: list[str], answer: str) -> None:
    assert complete(*words) == [answer]


def test_what_is_unknown_is_left_to_the_shell_which_completes_files() -> None:
    assert complete("train", "no/such/config") == []
    assert complete("train", "no/such/config", "--set", "train.") == []


def test_completing_imports_no_torch() -> None:
    program = (
        "import os, sys\nfrom lenet.cli import app\n"
        "os.environ |= {'_LENET_COMPLETE': 'complete_bash', 'COMP_CWORD': '2',"
        " 'COMP_WORDS': 'lenet\\nfigures\\np'}\n"
        "try: app(prog_name='lenet')\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "published:lenet5" in done.stdout
