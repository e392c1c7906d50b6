"""Searching: by validation errors, by several workers, and over a killed one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra sweep")

import torch  # noqa: E402
from sqlalchemy.exc import OperationalError  # noqa: E402

import lenet  # noqa: E402
from lenet.config.load import load_config  # noqa: E402
from lenet.errors import RunError, UsageError  # noqa: E402
from lenet.runs.run import Run  # noqa: E402
from lenet.studies.search_space import Choices, Range  # noqa: E402
from lenet.studies.sweep import Sweep, work, write_best  # noqa: E402
from lenet.training.fused import choose_kernels  # noqa: E402

SMALL = [
    "data.name=mnist-sample",
    "data.train_size=64",
    "data.validation=50",
    "train.epochs=2",
    "evaluate.pictures=false",
    "model={kind: mlp, hidden: [16]}",
]
ENVIRONMENT = {"PYTHONPATH": str(Path(lenet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}

SPACE = {
    "optimizer.lr": Range(low=0.001, high=0.3, log=True),
    "train.batch_size": Choices(choices=[16, 32]),
}


SWEEP = [sys.executable, "-m", "lenet", "sweep", "quickstart", "--space", "space.yaml"]
SWEEP += ["--jobs", "2", "--name", "s"]


def sweep(root: Path, **options) -> Sweep:
    return Sweep(
        **{"source": "quickstart", "overrides": SMALL, "space": SPACE, "name": "s"} | options,
        root=root,
    )


def test_trials_are_run_folders_and_the_best_has_the_fewest_validation_errors(
    tmp_path: Path,
) -> None:
    search = sweep(tmp_path)
    work(search, 3)
    path, best = write_best(search)
    trials = [t for t in search.open().trials if t.state.name == "COMPLETE"]
    for trial in trials:
        run = Run.open(tmp_path / f"s/trial-{trial.number:04d}/0")
        assert run.read_json("result.json")["errors/validation"] == trial.value
        assert run.config.optimizer.lr == trial.params["optimizer.lr"]
        kernels = choose_kernels(run.config, torch.device("cpu"))
        assert run.read_json("environment.json")["kernels"] == kernels
    assert best.value == min(t.value for t in trials)
    config = load_config(path).config
    assert config.optimizer.lr == best.params["optimizer.lr"]
    assert config.train.batch_size == best.params["train.batch_size"]
    assert (tmp_path / "s/importance.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_two_workers_of_one_command_share_the_trials(elsewhere: Path) -> None:
    (elsewhere / "space.yaml").write_text("optimizer.lr: {low: 0.01, high: 0.1}")
    command = [*SWEEP, "--trials", "3", "--json"]
    command += [word for text in SMALL for word in ("--set", text)]
    ended = subprocess.run(
        command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert len(list((elsewhere / "runs/s").glob("trial-*/0/result.json"))) == 3
    best = json.loads(ended.stdout)
    assert best["config"] == "runs/s/best.yaml"
    assert "trial" in ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_lets_all_workers_save(elsewhere: Path) -> None:
    (elsewhere / "space.yaml").write_text("optimizer.lr: {low: 0.01, high: 0.1}")
    command = [*SWEEP, "--trials", "2"]
    for text in (*SMALL, "train.epochs=100000"):
        command += ["--set", text]
    process = subprocess.Popen(
        command, env=os.environ | ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    until = time.monotonic() + 60
    while len(list((elsewhere / "runs/s").glob("trial-*/0/metrics.jsonl"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    assert process.wait(60) == 130
    searched = sweep(
        elsewhere / "runs",
        overrides=[*SMALL, "train.epochs=100000"],
        space={"optimizer.lr": Range(low=0.01, high=0.1)},
    )
    states = [t.state.name for t in searched.open().trials]
    assert sorted(states) == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_a_trial_too_many_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sweep(tmp_path).open(1)
    ask = optuna.Study.ask

    def ask_late(study: optuna.Study, *arguments: object) -> optuna.Trial:
        if not other.trials:
            ask(other)  # another worker is faster by a moment, and ends its trial
            other.tell(0, 0.5)
        return ask(study, *arguments)

    monkeypatch.setattr(optuna.Study, "ask", ask_late)
    work(sweep(tmp_path), 1)
    assert [t.state.name for t in sweep(tmp_path).open().trials] == ["COMPLETE", "FAIL"]
    assert not list((tmp_path / "s").glob("trial-*"))


def test_a_sweep_goes_on_to_more_trials(tmp_path: Path) -> None:
    for trials in (1, 2, 2):
        work(sweep(tmp_path), trials)
    assert len(sweep(tmp_path).open().trials) == 2


def test_a_stopped_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    answers = iter([False] * 4)
    work(sweep(tmp_path), 1, stop=lambda: next(answers, True))
    assert [t.state.name for t in sweep(tmp_path).open().trials] == ["FAIL", "WAITING"]
    work(sweep(tmp_path), 1)
    assert [t.state.name for t in sweep(tmp_path).open().trials] == ["FAIL", "COMPLETE"]
    assert [p.name for p in sorted((tmp_path / "s").glob("trial-*"))] == ["trial-0000"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of weights of 1e15, when drawn
def test_a_trial_that_diverges_is_given_up_and_the_sweep_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    space = {"optimizer.lr": Choices(choices=[1e15])}
    search = sweep(tmp_path, space=space, overrides=[*SMALL, "train.batch_size=8"])
    work(search, 2, say=said.append)
    assert said.pop(0) == "loading mnist-sample …"
    assert [t.state.name for t in search.open().trials] == ["PRUNED", "PRUNED"]
    assert said == [f"trial {n}: diverged with optimizer.lr=1e+15" for n in (0, 1)]


def test_a_trial_that_does_worse_than_the_others_is_given_up_between_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Optuna's median of earlier trials needs five of them; a threshold prunes the first.
    hopeless = optuna.pruners.ThresholdPruner(upper=0.5)
    monkeypatch.setattr(optuna.pruners, "MedianPruner", lambda **options: hopeless)
    said: list[str] = []
    changes = [*SMALL, "train.epochs=50"]
    work(sweep(tmp_path, overrides=changes), 1, say=said.append)
    (trial,) = sweep(tmp_path, overrides=changes).open().trials
    assert trial.state.name == "PRUNED"
    assert list(trial.intermediate_values) == [1]
    assert "pruned after epoch 1" in said[1]
    assert not Run.open(tmp_path / "s/trial-0000/0").finished


def test_another_search_of_the_same_name_is_refused(tmp_path: Path) -> None:
    work(sweep(tmp_path), 1)
    with pytest.raises(UsageError, match="s is another search, in config model: choose another"):
        sweep(tmp_path, overrides=[*SMALL, "model={kind: mlp, hidden: [32]}"]).open()
    with pytest.raises(UsageError, match=r"s is another search, in space optimizer[.]lr"):
        sweep(tmp_path, space=SPACE | {"optimizer.lr": Range(low=0.1, high=0.3)}).open()


def test_the_runs_of_another_search_are_not_taken_for_its_own(tmp_path: Path) -> None:
    work(sweep(tmp_path), 1)
    (tmp_path / "s" / "study.journal").unlink()
    with pytest.raises(UsageError, match="trial-0000/0 is another search's: remove it"):
        work(sweep(tmp_path, overrides=[*SMALL, "model={kind: mlp, hidden: [32]}"]), 1)


def test_a_worker_whose_trial_was_handed_on_leaves_it_and_goes_on(tmp_path: Path) -> None:
    search, said = sweep(tmp_path), []
    study, looks = search.open(), []

    def steal_the_first() -> bool:
        looks.append(None)
        if len(looks) == 3:
            study.tell(0, state=optuna.trial.TrialState.FAIL)
        return False

    work(search, 1, stop=steal_the_first, say=said.append)
    assert [t.state.name for t in search.open().trials] == ["FAIL", "COMPLETE"]


def test_a_storage_that_fails_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="needs psycopg")
    url = "postgresql+psycopg://me:secret@127.0.0.1:9/x"
    with pytest.raises(UsageError, match=r"me:[*]{3}@127.*cannot be used") as caught:
        sweep(tmp_path, storage=url).open()
    assert "secret" not in str(caught.value)


def test_nothing_is_chosen_on_the_test_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the test set chooses nothing"):
        work(sweep(tmp_path, overrides=[*SMALL, "data.validation=0"]), 1)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key 'learning'"):
        work(sweep(tmp_path, space={"optimizer.learning": Choices(choices=[1])}), 1)


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """A database server of Debian's package on a free port."""
    pytest.importorskip("psycopg", reason="needs psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found and os.environ.get("CI"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=True)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(f"/tmp/lenet-postgresql-{port}")
    folder.mkdir()
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if prefix:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(found[-1] / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("initdb", "-D", f"{folder}/db", "-A", "trust", "-U", "lenet")
    run("pg_ctl", "-D", f"{folder}/db", "-l", f"{folder}/log", "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg://lenet:secret@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", f"{folder}/db", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def read_trials(url: str) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of the study `s`, and leave no connection open."""
    storage = optuna.storages.RDBStorage(url)
    try:
        return optuna.load_study(study_name="s", storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_workers_trial_is_taken_up_by_another(
    workers: int, postgresql: str, elsewhere: Path
) -> None:
    (elsewhere / "space.yaml").write_text("optimizer.lr: {low: 0.01, high: 0.1}")
    command = [sys.executable, "-m", "lenet", "sweep", "quickstart", "--space", "space.yaml"]
    command += ["--trials", "2", "--storage", postgresql, "--name", "s", "--silence", "5"]
    changes = [*SMALL, "train.checkpoint_steps=1", "train.batch_size=8", "train.epochs=8"]
    command += [word for text in changes for word in ("--set", text)]
    environment = os.environ | ENVIRONMENT
    killed = subprocess.Popen(command, env=environment)
    run = elsewhere / "runs/s/trial-0000/0"
    deadline = time.monotonic() + 200
    while not (run / "state.safetensors").exists():
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not (run / "result.json").exists()
    started = [subprocess.Popen(command, env=environment) for _ in range(workers)]
    assert [worker.wait(timeout=300) for worker in started] == [0] * workers
    assert Run.open(run).finished
    trials = read_trials(postgresql)
    assert len([t for t in trials if t.state.name in ("COMPLETE", "PRUNED")]) == 2
    assert [t.user_attrs["continues"] for t in trials if "continues" in t.user_attrs] == [0]
    assert (elsewhere / "runs/s/best.yaml").exists()
    written = [path for path in elsewhere.rglob("*") if path.is_file()]
    assert [path for path in written if b"secret" in path.read_bytes()] == []


def test_half_a_line_at_the_end_of_the_journal_is_as_if_it_had_not_been_begun(
    tmp_path: Path,
) -> None:
    work(sweep(tmp_path), 1)
    journal = tmp_path / "s" / "study.journal"
    whole = journal.read_bytes()
    for torn in (b'{"op_code":4,"wor', b"\0\0\0", b"{"):
        journal.write_bytes(whole + torn)
        assert len(sweep(tmp_path).open().trials) == 1
    work(sweep(tmp_path), 2)
    assert [t.state.name for t in sweep(tmp_path).open().trials] == ["COMPLETE"] * 2
    assert journal.read_bytes().startswith(whole)


@pytest.mark.parametrize(
    "error",
    [OperationalError("SELECT", {}, Exception("server closed")), OSError(5, "server closed")],
)
def test_a_storage_that_is_gone_meanwhile_is_said(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = sweep(tmp_path)

    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(optuna.Study, "tell", fail)
    with pytest.raises(RunError, match=r"is gone: .*server closed.*\n.* continues from here"):
        work(search, 1)
