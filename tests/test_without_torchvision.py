"""What works where torchvision is missing or was built for another torch."""

import os
import subprocess
import sys
from pathlib import Path

from drawings import write_drawings

BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")\n'

SCRIPT = """
import sys
import lenet
from lenet.cli import app

config = {
    "extends": "quickstart",
    "data": {"name": "mnist-sample", "train_size": 200},
    "augment": [],
    "train": {"epochs": 1, "no_augment_epochs": 0},
}
experiment = lenet.train(config, device="cpu", name="plain", verbose=False)
app(["evaluate", str(experiment.runs[0].folder), "--device", "cpu"], standalone_mode=False)
print(len(lenet.predict(experiment.folder, "0000.img")), "pictures read")
# TensorBoard's figures too, and what was trained with augmentation.
app(
    ["train", "modern/plain", "--set", "data.name=mnist-sample", "--set", "data.train_size=200",
     "--set", "train.epochs=1", "--set", "evaluate.pictures=true"],
    standalone_mode=False,
)
lenet.load("published:handwriting")
assert "torchvision" not in sys.modules
for needy in (
    lambda: lenet.train(config | {"augment": [{"RandomAffine": {"degrees": 5}}]}, name="turned"),
    lambda: lenet.load_dataset("kmnist"),
):
    try:
        needy()
    except lenet.LenetError as error:
        print(error)
"""


def test_training_without_augmentation_evaluating_and_reading_need_no_torchvision(
    elsewhere: Path,
) -> None:
    (elsewhere / "fake" / "torchvision").mkdir(parents=True)
    (elsewhere / "fake" / "torchvision" / "__init__.py").write_text(BROKEN, encoding="utf-8")
    write_drawings(elsewhere, range(1))
    paths = [str(elsewhere / "fake"), str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "1 pictures read" in done.stdout
    augmenting, fetching = done.stdout.splitlines()[-2:]
    for sentence in (augmenting, fetching):
        assert "operator torchvision::nms does not exist" in sentence
        assert "install torch and torchvision together" in sentence
    assert "augmentation needs torchvision" in augmenting
    assert not (elsewhere / "runs" / "turned").exists()
