"""The figures that TensorBoard shows of a finished run, read back from the event files."""

import re
from pathlib import Path
from shutil import copytree

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef

from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.splits import make_splits
from lenet.errors import RunError
from lenet.figures import tensorboard
from lenet.figures.architecture import draw_architecture
from lenet.figures.subject import Subject
from lenet.figures.tensorboard import EVENTS, illustrate, lacks_pictures, tile_square, write_figures
from lenet.runs.events import EventFile
from lenet.runs.run import Run
from lenet.training.train import train

SMALL = ["data.validation=100", "data.train_size=256", "train.epochs=2", "data.name=mnist-sample"]


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    return events


@pytest.fixture(scope="module")
def finished(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = load_config("quickstart", SMALL).config
    run = Run.create("small", config, tmp_path_factory.mktemp("runs"))
    cpu = torch.device("cpu")
    train(config, [run], make_splits(sample, config, cpu), cpu)
    assert lacks_pictures(run)
    illustrate(run)
    return run


def test_the_figures_are_images_beside_the_kernels(finished: Run) -> None:
    events = read(finished.folder)
    images = set(events.Tags()["images"])
    assert {"kernels", "figures/1 errors", "figures/2 confusion", "figures/5 maps"} <= images
    assert not any("embedding" in tag for tag in images)  # slow; the projector shows it
    assert events.Images("figures/1 errors")[0].width == 830


def draw_only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let few figures be drawn: all of them take seconds."""
    few = {name: tensorboard.FIGURES[name] for name in names}
    monkeypatch.setattr(tensorboard, "FIGURES", few)


def test_the_first_seed_alone_shows_the_architecture(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, "errors", "architecture")
    assert "figures/3 architecture" in read(finished.folder).Tags()["images"]
    other = Run(tmp_path / "1", finished.config)
    copytree(finished.folder.parent, tmp_path, dirs_exist_ok=True)
    copytree(tmp_path / "0", other.folder)
    with EventFile(other.folder, ".only") as events:
        write_figures(events, Subject.open(other), 3)
    only = EventAccumulator(str(events.path))
    only.Reload()
    assert only.Tags()["images"] == ["figures/1 errors"]


def test_a_run_whose_config_cannot_be_read_again_shows_the_architecture(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lenet.figures.tensorboard.find_runs", lambda folder: [])
    monkeypatch.setattr("lenet.figures.tensorboard.FIGURES", {"architecture": draw_architecture})
    with EventFile(tmp_path, ".only") as events:
        write_figures(events, Subject.open(finished), 3)
    assert read(tmp_path).Tags()["images"] == ["figures/1 architecture"]


def test_the_graph_has_the_layers_in_their_order(finished: Run) -> None:
    graph = GraphDef.FromString(read(finished.folder).Graph().SerializeToString())
    assert [node.name for node in graph.node] == [
        "input",
        "c1",
        "s2",
        "c3",
        "s4",
        "c5",
        "f6",
        "output",
    ]
    assert [list(node.input) for node in graph.node][:3] == [[], ["input"], ["c1"]]
    assert graph.node[1].attr["parameters"].i == 156
    (shape,) = graph.node[1].attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [-1, 6, 28, 28]


def test_each_digit_has_a_precision_recall_curve(finished: Run) -> None:
    tags = read(finished.folder).Tags()["tensors"]
    assert {f"classes/{digit}" for digit in range(10)} <= set(tags)


def test_the_projector_gets_codes_labels_and_pictures_of_the_same_images(finished: Run) -> None:
    folder = finished.folder / "projector"
    codes = (folder / "codes.tsv").read_text().splitlines()
    head, *labels = (folder / "labels.tsv").read_text().splitlines()
    assert head == "label\tprediction\tverdict\ttest image"
    assert len(codes) == len(labels) == 1000
    assert len(codes[0].split("\t")) == 84
    wrong = [line.split("\t") for line in labels if "→" in line]
    assert len(wrong) == finished.read_json("result.json")["errors/test"]
    assert all(f"{truth} → {said}" == verdict for truth, said, verdict, _ in wrong)
    assert 'tensor_name: "f6"' in (finished.folder / "projector_config.pbtxt").read_text()


def test_pictures_for_the_projector_stand_in_a_square_in_their_colours() -> None:
    grey = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    assert tile_square(grey).tolist() == [[0, 1, 2], [3, 4, 0], [0, 0, 0]]
    colours = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)[:, :, None, None]
    assert tile_square(colours).tolist() == [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0]] * 2]


def test_every_tag_is_in_the_glossary(finished: Run) -> None:
    page = Path(__file__).parents[2] / "docs" / "tensorboard.md"
    table = page.read_text(encoding="utf-8").partition("| tag | tab |")[2].partition("\n\n")[0]
    known = [
        re.escape(name).replace("…", ".+")
        for line in table.splitlines()[2:]
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    tags = read(finished.folder).Tags()
    written = {
        tag.removesuffix("/text_summary")
        for kind in ("scalars", "images", "tensors")
        for tag in tags[kind]
    }
    hidden = {tag for tag in written if tag.startswith(("_hparams_", "custom_scalars__"))}
    assert [t for t in written - hidden if not any(re.fullmatch(n, t) for n in known)] == []


def test_drawing_again_replaces_what_an_interrupted_drawing_left(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, "errors")
    assert not lacks_pictures(finished)
    (finished.folder / "projector_config.pbtxt").unlink()
    assert lacks_pictures(finished)
    illustrate(finished)
    assert not lacks_pictures(finished)
    assert len(list(finished.folder.glob(f"events.out.tfevents.*{EVENTS}"))) == 1
    events = read(finished.folder)
    assert [image.step for image in events.Images("figures/1 errors")] == [3]
    assert [point.step for point in events.Scalars("errors/test")] == [1, 2]


def test_runs_without_pictures_and_unfinished_ones_lack_none(tmp_path: Path) -> None:
    config = load_config("quickstart", [*SMALL, "evaluate.pictures=false"]).config
    plain = Run.create("plain", config, tmp_path)
    plain.write_json("result.json", {})
    assert not lacks_pictures(plain)
    unfinished = Run.create("unfinished", load_config("quickstart", SMALL).config, tmp_path)
    assert not lacks_pictures(unfinished)
    with pytest.raises(RunError, match="is unfinished"):
        illustrate(unfinished)
