import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lenet.figures.tensorboard
from lenet.cli import app
from lenet.figures.style import new_figure
from lenet.runs.find import CLONED
from lenet.runs.lock import lock
from lenet.runs.run import Position, Run
from lenet.studies.verify_resume import compare_files

runner = CliRunner()
PATIENCE_SECONDS = 60
SMALL = "data: {name: mnist-sample, train_size: 320}\nmodel: {kind: linear}\n" + (
    "loss: {kind: cross-entropy}\noptimizer: {kind: sgd}\ntrain: {epochs: 3, batch_size: 1}\n"
    "evaluate: {pictures: false}\n"
)


def send_when_training(number: int, folder: Path) -> threading.Thread:
    """Send this process a signal as soon as a run has finished its first epoch."""

    def wait_and_send() -> None:
        while not (folder / "state.safetensors").exists():
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait_and_send, daemon=True)
    thread.start()
    return thread


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_says_how_to_go_on_and_does(
    number: int, code: int, elsewhere: Path
) -> None:
    Path("small.yaml").write_text(SMALL)
    assert runner.invoke(app, ["train", "small.yaml", "--name", "straight"]).exit_code == 0
    thread = send_when_training(number, Path("runs/small/0"))
    stopped = runner.invoke(app, ["train", "small.yaml", "--device", "cpu"])
    thread.join()
    assert stopped.exit_code == code
    assert stopped.stdout == ""
    assert stopped.stderr.endswith(
        "stopped; continue with:  lenet resume runs/small/0 --device cpu\n"
    )
    resumed = runner.invoke(app, ["resume", "runs/small/0", "--device", "cpu"])
    assert resumed.exit_code == 0
    assert "continuing in epoch" in resumed.stderr
    assert resumed.stdout.startswith("seed 0: ")
    assert compare_files(Path("runs/straight/0"), Path("runs/small/0")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("broken", "number", "code"),
    [
        ("pipe", signal.SIGHUP, 129),
        pytest.param("closed", signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_training_saves_though_nobody_reads_what_it_says(
    broken: str, number: int, code: int, elsewhere: Path
) -> None:
    Path("small.yaml").write_text(SMALL.replace("epochs: 3", "epochs: 1000"))
    command = [sys.executable, "-m", "lenet", "train", "small.yaml", "--device", "cpu"]
    if broken == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # `nohup` would hand on its own
    )
    try:
        assert process.stderr
        process.stderr.close()
        state = Path("runs/small/0/state.safetensors")
        until = time.monotonic() + PATIENCE_SECONDS
        while not state.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == code
    finally:
        process.kill()
        process.wait()
    run = Run.open("runs/small/0")
    assert not run.finished
    assert max(run.load_states()) > Position()


def test_the_seeds_in_a_folder_are_resumed_together(elsewhere: Path) -> None:
    Path("small.yaml").write_text(SMALL.replace("320", "10"))
    assert runner.invoke(app, ["train", "small.yaml", "--seeds", "2"]).exit_code == 0
    Path("runs/small/1/result.json").unlink()
    result = runner.invoke(app, ["resume", "runs/small"])
    assert result.exit_code == 0
    assert "seed 0: finished already" in result.stderr
    assert "mean: " in result.stdout


def test_a_run_in_training_is_refused_with_the_holders_id(elsewhere: Path) -> None:
    Path("small.yaml").write_text(SMALL)
    with lock(Path("runs/small/0")):
        for arguments in (["train", "small.yaml"], ["train", "small.yaml", "--overwrite"]):
            refused = runner.invoke(app, arguments)
            assert refused.exit_code == 2
            assert f"runs/small/0 is in use by process {os.getpid()}" in refused.stderr


def test_a_run_is_not_resumed_with_another_config(elsewhere: Path) -> None:
    Path("small.yaml").write_text(SMALL.replace("320", "10"))
    assert runner.invoke(app, ["train", "small.yaml"]).exit_code == 0
    arguments = ["train", "small.yaml", "--name", "small", "--resume", "--set", "optimizer.lr=1"]
    refused = runner.invoke(app, arguments)
    assert refused.exit_code == 2
    assert "runs/small/0 was begun with optimizer.lr = 0.05, not 1.0" in refused.stderr


def test_a_folder_without_runs_cannot_be_resumed(elsewhere: Path) -> None:
    refused = runner.invoke(app, ["resume", "."])
    assert refused.exit_code == 2
    assert "is neither a run nor a folder of runs" in refused.stderr


def test_a_published_run_cannot_be_resumed(elsewhere: Path) -> None:
    published = CLONED / "lenet5"
    refused = runner.invoke(app, ["resume", str(published)])
    assert refused.exit_code == 2
    assert "lenet5/0 is published: it is finished" in refused.stderr
    assert not (published / "0").exists()


@pytest.mark.slow
def test_verify_resume_stops_and_kills_trainings_and_finds_no_difference(elsewhere: Path) -> None:
    Path("small.yaml").write_text(SMALL)
    verified = runner.invoke(app, ["verify-resume", "small.yaml", "--kills", "1"])
    assert verified.exit_code == 0
    assert "stopped and resumed 1 times, killed and resumed" in verified.stdout
    assert "curves are identical" in verified.stdout


def test_figures_are_drawn_after_training_and_when_they_are_missing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two of them: real ones take seconds, and are drawn in the same way.
    few = {name: lambda subject: new_figure(0.5) for name in ("errors", "confusion")}
    monkeypatch.setattr(lenet.figures.tensorboard, "FIGURES", few)
    Path("small.yaml").write_text(SMALL.replace("320", "10").replace("false", "true"))
    drawn = Path("runs/small/0/projector_config.pbtxt")
    trained = runner.invoke(app, ["train", "small.yaml", "--json"])
    assert trained.exit_code == 0
    assert "seed 0: drawing the figures" in trained.stderr
    assert drawn.is_file()
    for again in (["resume", "runs/small"], ["train", "small.yaml", "--resume"]):
        assert "drawing" not in runner.invoke(app, again).stderr
        drawn.unlink()  # as if the process had been killed while it drew
        assert "seed 0: drawing the figures" in runner.invoke(app, again).stderr
        assert drawn.is_file()
