"""Several processes train one network: the same as one does, and safely when one is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import lenet
from lenet.config.load import load_config
from lenet.data.batches import Share
from lenet.errors import UsageError
from lenet.runs.run import Run
from lenet.training.build import build
from lenet.training.distributed import World, own_gpu
from lenet.training.experiment import run_experiment

SMALL = [
    "data.name=mnist-sample",
    "data.train_size=149",  # three batches, the last of which has an odd number of images
    "data.validation=100",
    "train.epochs=2",
    "evaluate.pictures=false",
]
EVERYTHING = [
    "model={kind: lenet5-modern, batch_norm: true, dropout: 0.3}",
    "augment=[{RandomAffine: {degrees: 20}}, {RandomErasing: {p: 0.5}}]",
    "train.no_augment_epochs=1",
    "train.ema=0.5",
]


def torchrun(processes: int, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "lenet", *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(lenet.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def settings(*overrides: str) -> list[str]:
    return [word for text in (*SMALL, *overrides) for word in ("--set", text)]


def test_parts_of_a_batch_make_up_the_batch_and_differ_by_one_image_at_most() -> None:
    for n in (0, 1, 7, 64):
        parts = [list(range(n))[Share(i, 3).part(n)] for i in range(3)]
        assert [i for part in parts for i in part] == list(range(n))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("mix", [[], ["mix=[{MixUp: {}}]"]], ids=["plain", "mixed"])
def test_the_parts_are_augmented_as_the_whole_batch_is(sample, mix: list[str]) -> None:
    config = load_config("quickstart", [*EVERYTHING, *mix]).config
    components = build(config, [0])
    whole = components.batches(sample.train, [0]).batch(1, 3)
    parts = [components.batches(sample.train, [0], Share(i, 3)).batch(1, 3) for i in range(3)]
    for each, all_of_it in zip(zip(*parts, strict=True), whole, strict=True):
        torch.testing.assert_close(torch.cat(each, dim=1), all_of_it)


def test_two_processes_learn_what_one_does(elsewhere: Path) -> None:
    process = torchrun(
        2, elsewhere, "train", "quickstart", *settings(*EVERYTHING), "--name", "two", "--json"
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    config = load_config("quickstart", [*SMALL, *EVERYTHING]).config
    run_experiment(config, "one")
    one, two = (Run.open(Path("runs") / name / "0") for name in ("one", "two"))
    assert json.loads(out)[0]["errors/test"] == two.read_json("result.json")["errors/test"]
    for alone, together in zip(one.lines("metrics.jsonl"), two.lines("metrics.jsonl"), strict=True):
        for key in ("loss/train", "loss/validation", "loss/test"):
            assert together[key] == pytest.approx(alone[key], rel=1e-4)
    weights = two.load_weights()
    for name, value in one.load_weights().items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=2e-3)  # rounding grows


def test_each_process_has_a_gpu_of_its_own_or_is_told_how_many_there_are() -> None:
    assert own_gpu(1, 2) == torch.device("cuda", 1)
    with pytest.raises(UsageError, match=r"process 3 .* there are 2: .* --nproc-per-node 2"):
        own_gpu(2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, -1])
def test_a_lost_process_ends_the_others_and_the_run_goes_on_with_one(
    elsewhere: Path, lost: int
) -> None:
    long = settings("train.epochs=100", "train.checkpoint_steps=1", "data.train_size=512")
    process = torchrun(2, elsewhere, "train", "quickstart", *long, "--name", "lost")
    run = elsewhere / "runs/lost/0"
    deadline = time.monotonic() + 200
    while not (run / "timing.jsonl").exists() or not (run / "timing.jsonl").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    workers = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(workers[lost]), signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "another process of this training was lost" in err
    before = Run.open(run).lines("metrics.jsonl")
    config = load_config("quickstart", long[1::2]).config
    epochs = iter([False] * 20)
    run_experiment(config, "lost", resume=True, stop=lambda: next(epochs, True))
    assert Run.open(run).lines("metrics.jsonl")[: len(before)] == before


OF_1998 = [
    "model={kind: lenet5}",
    "loss={kind: map}",
    "optimizer={kind: sdlm}",
    "schedule={kind: constant}",
]


def test_the_rule_of_one_update_per_image_refuses_to_be_divided() -> None:
    config, cpu = load_config("quickstart", [*SMALL, *OF_1998]).config, torch.device("cpu")
    World(0, 1, cpu).check(config, None)
    with pytest.raises(UsageError, match="the sdlm rule makes one update per image"):
        World(0, 2, cpu).check(config, None)


@pytest.mark.slow
def test_one_of_several_processes_says_what_is_refused(elsewhere: Path) -> None:
    process = torchrun(2, elsewhere, "train", "quickstart", *settings(*OF_1998))
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert err.count("the sdlm rule makes one update per image") == 1
    assert not (elsewhere / "runs").exists()
