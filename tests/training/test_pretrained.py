"""A network starts from a trained one, and layers stay as they are."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier, load_classifier
from lenet.runs.files import compute_checksum
from lenet.runs.find import open_runs
from lenet.runs.run import Run
from lenet.training.build import build
from lenet.training.experiment import run_experiment
from lenet.training.fused import why_not
from lenet.training.pretrained import freeze

SMALL = [
    "data={name: mnist-sample, train_size: 200}",
    "train={epochs: 1, batch_size: 50}",
    "model={kind: compact, channels: [4, 5, 6], pooled: [1]}",
    "input.size=28",
    "evaluate.pictures=false",
]


def make_config(*changes: str) -> Config:
    return load_config("modern/plain", [*SMALL, *changes]).config


def make_parent(root: Path, seed: int, *changes: str) -> dict[str, Tensor]:
    """Write a finished run whose weights are those of the seed; return them."""
    config = make_config(*changes).model_copy(update={"seed": seed})
    run = Run.create("parent", config, root)
    weights = build_classifier(config, seed=100 + seed).model.state_dict()
    run.save_weights(weights)
    run.write_json("result.json", {"dataset": "mnist-sample"})
    return weights


def test_rounding_starts_from_a_network_without_and_the_other_way_round(tmp_path: Path) -> None:
    plain, rounded = [], ["quantize={weights: 4}"]
    for folder, theirs, ours in (
        (tmp_path / "a", plain, rounded),
        (tmp_path / "b", rounded, plain),
    ):
        weights = make_parent(folder, 0, *theirs)
        built = build(make_config(*ours, f"train.from={folder}/parent/0"), [0])
        assert built.starts[0].fresh == []
        state = built.classifiers[0].model.state_dict()
        for name in built.starts[0].loaded:
            torch.testing.assert_close(state[name], weights[name], rtol=0, atol=0)
        assert "c1.weight" in built.starts[0].loaded


def test_every_seed_starts_from_its_own_or_from_the_only_one(tmp_path: Path) -> None:
    weights = [make_parent(tmp_path, seed) for seed in (0, 1)]
    own = build(make_config(f"train.from={tmp_path}/parent"), [0, 1])
    for seed in (0, 1):
        state = own.classifiers[seed].model.state_dict()
        for name, tensor in weights[seed].items():
            torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
        assert own.starts[seed].fresh == []
        assert own.checksums(seed) == {"train.from": [compute_checksum(weights[seed])]}
    one = build(make_config(f"train.from={tmp_path}/parent/1"), [7])
    torch.testing.assert_close(
        one.classifiers[7].model.state_dict()["c1.weight"], weights[1]["c1.weight"]
    )
    with pytest.raises(UsageError, match=r"no run of seed 2, only of 0, 1: name one of them"):
        build(make_config(f"train.from={tmp_path}/parent"), [2])


def test_other_classes_replace_the_last_layer_alone(tmp_path: Path) -> None:
    weights = make_parent(tmp_path, 0)
    files = "data={name: files, path: x, classes: [a, b, c], channels: 1, size: 28}"
    config = make_config(files, f"train.from={tmp_path}/parent")
    components = build(config, [0])
    start, state = components.starts[0], components.classifiers[0].model.state_dict()
    assert start.fresh == ["output.weight", "output.bias"]
    assert set(start.loaded) == set(weights) - {"output.weight", "output.bias"}
    assert "output.weight, output.bias begin at random" in start.describe()
    torch.testing.assert_close(state["c3.weight"], weights["c3.weight"], rtol=0, atol=0)
    untrained = build_classifier(config, seed=0).model.state_dict()
    torch.testing.assert_close(state["output.weight"], untrained["output.weight"])


def test_another_network_is_refused_with_what_differs(tmp_path: Path) -> None:
    make_parent(tmp_path, 0)
    for change, word in (
        ("model.channels=[4, 5, 7]", r"c3\.weight"),
        ("model.channels=[4, 5]", "norm3"),
        ("model={kind: linear}", r"c1\.weight"),
    ):
        with pytest.raises(UsageError, match=word):
            build(make_config(change, f"train.from={tmp_path}/parent"), [0])
    colour = "data={name: files, path: x, classes: [a, b], channels: 3, size: 28}"
    with pytest.raises(UsageError, match=r"learned from grey images: --set data\.channels=1 reads"):
        build(make_config(colour, f"train.from={tmp_path}/parent"), [0])
    with pytest.raises(UsageError, match="neither a run nor a folder"):
        build(make_config(f"train.from={tmp_path}/nobody"), [0])


@pytest.mark.parametrize("seeds", [1, 2])
def test_frozen_layers_keep_weights_and_statistics(tmp_path: Path, seeds: int) -> None:
    config = make_config("train.freeze=[c1, norm1]", "optimizer.weight_decay=0.1")
    experiment = run_experiment(config, "frozen", seeds=seeds, root=tmp_path, device="cpu")
    for run in experiment.runs:
        before = build_classifier(config, seed=run.seed).model.state_dict()
        after = load_classifier(run).model.state_dict()
        for name in before:
            same = torch.equal(before[name], after[name])
            assert same == name.startswith(("c1.", "norm1.")), name


def test_a_frozen_layer_that_does_not_exist_gets_advice() -> None:
    model = build_classifier(make_config()).model
    with pytest.raises(UsageError, match="no layer 'norm4' with parameters; did you mean 'norm"):
        freeze(model, ["norm4"])
    with pytest.raises(UsageError, match="no layer is left that learns"):
        freeze(model, [name for name, _ in model.named_children() if name[0] in "cno"])


def test_the_compiled_kernels_leave_frozen_layers_to_pytorch() -> None:
    config = load_config("modern/plain", ["train.freeze=[c1]"]).config
    assert why_not(config, torch.device("cpu")) == "the fast kernels train all layers"


def test_a_stranger_goes_on_from_a_run_and_it_names_its_parent(tmp_path: Path) -> None:
    make_parent(tmp_path, 0)
    changes = [part for text in SMALL for part in ("--set", text)]
    arguments = ["train", "modern/plain", *changes, "--runs", str(tmp_path), "--name", "child"]
    parent = str(tmp_path / "parent" / "0")
    done = CliRunner().invoke(app, [*arguments, "--from", parent])
    assert done.exit_code == 0, done.output
    assert f"starting from {parent} (SHA-256 " in done.stderr
    (run,) = open_runs(str(tmp_path / "child"))
    assert run.config.train.from_ == parent
    assert run.read_json("environment.json")["from"]["run"] == parent
    assert "from:" in (run.folder / "config.yaml").read_text()
    # A parent that has changed since is not the one that it began with.
    (tmp_path / "child/0/result.json").unlink()
    weights = open_runs(parent)[0].load_weights()
    open_runs(parent)[0].save_weights({name: tensor + 1 for name, tensor in weights.items()})
    done = CliRunner().invoke(app, ["resume", str(run.folder)])
    assert done.exit_code == 2
    assert "begun with other weights of train.from" in done.stderr
