"""A finished run without the training: known labels, known mistakes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lenet.config.schema import Config, Data
from lenet.data.datasets import Split
from lenet.data.sources import DIGITS
from lenet.evaluation.classifier import build_classifier
from lenet.figures import style
from lenet.figures.subject import Subject
from lenet.runs.run import Run

KINDS: dict[str, dict[str, Any]] = {
    "lenet5": {"model": {"kind": "lenet5"}, "loss": {"kind": "mse"}},
    "lenet5-modern": {"model": {"kind": "lenet5-modern"}, "loss": {"kind": "cross-entropy"}},
    "mlp": {"model": {"kind": "mlp", "hidden": [12]}, "loss": {"kind": "cross-entropy"}},
    "average": {
        "model": {
            "kind": "layers",
            "layers": [{"conv": {"filters": 10, "size": 3}}, "relu", "global-average"],
        },
        "loss": {"kind": "cross-entropy"},
    },
    "normalized": {
        "model": {
            "kind": "layers",
            "layers": [
                {"conv": {"filters": 4, "size": 3, "bias": False}},
                "batch-norm",
                "relu",
                "max",
                "flatten",
                {"linear": {"units": 10}},
            ],
        },
        "loss": {"kind": "cross-entropy"},
    },
    "linear": {"model": {"kind": "linear"}, "loss": {"kind": "cross-entropy"}},
}
MISTAKES = (3, 17, 20)
HISTORY = (
    {"epoch": 1, "errors/train": 50, "accuracy/train": 0.95, "accuracy/test": 0.97},
    {"epoch": 2, "errors/train": 20, "accuracy/train": 0.98, "accuracy/test": 0.99},
)


@pytest.fixture(autouse=True)
def _in_the_light_theme() -> Any:
    with style.applied():
        yield


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Write the folder of a finished run of a kind of network."""

    def make(
        kind: str = "lenet5-modern",
        seed: int = 0,
        name: str = "canned",
        classes: Sequence[str] = DIGITS,
    ) -> Run:
        config = Config.model_validate({**KINDS[kind], "optimizer": {"kind": "sgd"}, "seed": seed})
        if tuple(classes) != DIGITS:
            own = {"name": "files", "path": "own", "classes": [*classes], "channels": 1, "size": 28}
            config = config.model_copy(update={"data": Data.model_validate(own)})
        run = Run.create(name, config, tmp_path, overwrite=True)
        for metrics in HISTORY:
            run.append("metrics.jsonl", {**metrics, "learning_rate": 0.1 / metrics["epoch"]})
        run.save_weights(build_classifier(config).model.state_dict())
        run.write_json(
            "result.json", {"dataset": "mnist", "seed": seed, "errors/test": 3, "n/test": 200}
        )
        return run

    return make


@pytest.fixture
def make_subject(make_run: Callable[..., Run]) -> Callable[..., Subject]:
    """Build a subject with 200 noisy test images, of which `MISTAKES` are misclassified."""

    def make(kind: str = "lenet5-modern", names: Sequence[str] = DIGITS, **options: Any) -> Subject:
        run = make_run(kind, classes=names)
        draw = torch.Generator().manual_seed(1)
        images = torch.randint(0, 256, (200, 1, 28, 28), generator=draw, dtype=torch.uint8)
        classifier = build_classifier(run.config)
        labels = classifier.classify(classifier.infer(images))
        for index in MISTAKES:
            labels[index] = (labels[index] + 1) % len(names)
        return Subject(run, classifier, "mnist", Split(images, labels, tuple(names)), **options)

    return make
