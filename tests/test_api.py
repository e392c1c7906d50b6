"""What `import lenet` offers: fast to import, and every documented example runs."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawings import write_drawings
from PIL import Image

import lenet
from lenet import api
from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.pictures import PictureError, decode_scaled, reduce_array
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, Ensemble
from lenet.training.experiment import Experiment

TOP = Path(__file__).parent.parent
SMALL = {
    "extends": "quickstart",
    "data": {"name": "mnist-sample", "train_size": 200},
    "train": {"epochs": 1},
    "evaluate": {"pictures": False},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Two seeds of a small network."""
    root = tmp_path_factory.mktemp("runs")
    return lenet.train(SMALL, seeds=2, device="cpu", runs=root, verbose=False)


def test_importing_lenet_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, lenet; print({'torch', 'numpy', 'pydantic'} & set(sys.modules), dir(lenet))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("set()")
    assert all(name in done.stdout for name in lenet.__all__)


def test_all_public_functions_are_documented_with_an_example() -> None:
    for name in api.__all__:
        assert ">>> " in (getattr(lenet, name).__doc__ or ""), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        lenet.fit  # noqa: B018


def examples() -> list[doctest.DocTest]:
    """Return the examples in the docstrings of the public functions and of the package."""
    finder = doctest.DocTestFinder(recurse=False)
    places = {"lenet": lenet} | {name: getattr(api, name) for name in api.__all__}
    return [test for name, place in places.items() for test in finder.find(place, name, globs={})]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_examples_of_the_docstrings_hold(
    example: doctest.DocTest, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = doctest.DocTestRunner().run(example).failed
    assert not failed, capsys.readouterr().out


def test_every_example_of_the_python_page_runs(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drawing,) = write_drawings(elsewhere, range(1))
    drawing.rename(elsewhere / "photo.jpg")
    page = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 8
    names: dict[str, object] = {}
    for block in blocks:
        if "torch.hub" in block:
            monkeypatch.chdir(TOP)
        block = block.replace('load_dataset("mnist")', 'load_dataset("mnist-sample")')
        exec(compile(block, "docs/python.md", "exec"), names)


def test_training_returns_the_results_and_leaves_runs(trained: Experiment) -> None:
    assert [result["seed"] for result in trained.results] == [0, 1]
    assert trained.folder.name == "experiment"
    assert trained.unfinished == []
    assert trained.runs[0].config.train.epochs == 1


def test_one_run_loads_as_a_classifier_and_several_seeds_as_their_ensemble(
    trained: Experiment, sample: Dataset
) -> None:
    ensemble = lenet.load(trained.folder)
    assert isinstance(ensemble, Ensemble)
    networks = [lenet.load(run.folder) for run in trained.runs]
    assert all(isinstance(network, Classifier) for network in networks)
    images = sample.test.images[:20]
    mean = (networks[0](images) + networks[1](images)) / 2
    torch.testing.assert_close(ensemble(images), mean)


def test_a_network_counts_the_errors_that_its_run_recorded(
    trained: Experiment, sample: Dataset
) -> None:
    network = lenet.load(trained.runs[0].folder)
    assert isinstance(network, Classifier)
    assert network.evaluate(sample.test).errors == trained.results[0]["errors/test"]
    wrong = network(sample.test.images).argmax(dim=1) != sample.test.labels
    assert int(wrong.sum()) == trained.results[0]["errors/test"]


def test_bytes_floats_and_arrays_with_or_without_channel_are_the_same_images(
    trained: Experiment, sample: Dataset
) -> None:
    network = lenet.load(trained.runs[0].folder)
    images = sample.test.images[:5]
    expected = network(images)
    torch.testing.assert_close(expected.sum(dim=1), torch.ones(5))
    for same in (
        images / 255,
        images[:, 0],
        images.numpy(),
        images[:, 0].numpy() / np.float32(255),
    ):
        torch.testing.assert_close(network(same), expected)


@pytest.mark.parametrize("kind", ["name", "file", "dict", "config"])
def test_a_config_is_a_name_a_file_a_dict_or_a_config(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: quickstart\n", encoding="utf-8")
    config = {
        "name": "quickstart",
        "file": file,
        "dict": {"extends": "quickstart"},
        "config": load_config("quickstart").config,
    }[kind]
    read = api._read(config, seed=3)
    assert read.config == load_config("quickstart", seed=3).config
    assert read.name == {"name": "quickstart", "file": "mine"}.get(kind, "experiment")


def test_a_fault_in_a_dict_names_the_key() -> None:
    with pytest.raises(
        UsageError, match=r"config: unknown key 'epoch' in section 'train'; did you"
    ):
        lenet.train({"extends": "quickstart", "train": {"epoch": 3}})


def test_a_run_that_is_there_is_kept(trained: Experiment) -> None:
    root = trained.folder.parent
    with pytest.raises(UsageError, match="holds a finished run"):
        lenet.train(SMALL, runs=root, verbose=False)
    again = lenet.train(SMALL, seeds=2, runs=root, resume=True, verbose=False)
    assert again.results == trained.results


def test_training_prints_on_standard_error_unless_told_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lenet.train(SMALL, device="cpu", runs=tmp_path, name="loud")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch 1/1" in captured.err
    lenet.train(SMALL, device="cpu", runs=tmp_path, name="quiet", verbose=False)
    assert capsys.readouterr().err == ""


def test_pictures_are_read_from_files_arrays_and_pil_images(
    trained: Experiment, tmp_path: Path
) -> None:
    (path,) = write_drawings(tmp_path, range(1))
    network = lenet.load(trained.runs[0].folder)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    array = np.asarray(image)
    blank = np.zeros((50, 50), dtype=np.uint8)
    readings = lenet.predict(network, [path, str(path), image, array, array / 255, blank])
    assert [reading.path for reading in readings] == [path, path, None, None, None, None]
    assert {reading.digit for reading in readings[2:5]} == {readings[2].digit}
    assert readings[0].digit in range(10)
    assert readings[0].probability == max(readings[0].probabilities)
    assert readings[-1].digit is None and readings[-1].probability == 0
    assert str(readings[-1]) == "array: no ink: the picture is one even tone"


def test_predict_takes_one_picture_a_folder_and_a_network_s_name(
    trained: Experiment, tmp_path: Path
) -> None:
    write_drawings(tmp_path, range(2))
    (tmp_path / "0000.img").rename(tmp_path / "0000.png")
    (tmp_path / "0001.img").rename(tmp_path / "0001.png")
    assert len(lenet.predict(trained.runs[0].folder, tmp_path / "0000.png")) == 1
    assert len(lenet.predict(str(trained.folder), str(tmp_path / "*.png"))) == 2
    with pytest.raises(UsageError, match="at least one picture"):
        lenet.predict(trained.folder, [])


@pytest.mark.parametrize(
    "array", [np.zeros((1, 28, 28), np.uint8), np.full((9, 9), 2.0), np.zeros((9, 9), int)]
)
def test_an_array_that_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match="expected"):
        reduce_array(array, 640)


def test_an_array_is_reduced_like_a_file_with_the_same_pixels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (1000, 500, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "noise.png")
    with (tmp_path / "noise.png").open("rb") as file:
        np.testing.assert_array_equal(reduce_array(array, 100), decode_scaled(file, 100)[0])


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no network 'lenet6'; there are lenet1, .*lenet5-modern"):
        lenet.build("lenet6")


def test_every_network_is_built_by_its_name() -> None:
    built = lenet.build("lenet5-modern", batch_norm=True)
    assert built(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
    assert sum(weight.numel() for weight in lenet.build("lenet5").parameters()) == 60_000


def test_a_published_seed_is_one_classifier(sample: Dataset) -> None:
    network = lenet.load("published:lenet5/2")
    assert isinstance(network, Classifier)
    assert network.evaluate(sample.test).errors <= 5  # the sample is a part of its training set


def test_augmentations_are_imported_from_their_folder(sample: Dataset) -> None:
    from torchvision.transforms import v2

    from lenet.augment import RandomAffine

    torch.manual_seed(0)
    same = sample.test.images[:1].expand(8, -1, -1, -1)
    turned = v2.Compose([RandomAffine(degrees=30)])(same)
    assert turned.shape == same.shape
    assert len(torch.unique(turned, dim=0)) == 8


def test_the_wheel_says_that_the_package_is_typed() -> None:
    assert (TOP / "lenet" / "py.typed").is_file()


def test_what_python_gives_wrongly_is_refused_in_a_sentence() -> None:
    with pytest.raises(lenet.LenetError, match="no option batchnorm; did you mean 'batch_norm'"):
        lenet.build("lenet5-modern", batchnorm=True)
    network = lenet.load("published:lenet5/0")
    with pytest.raises(lenet.LenetError, match=r"images are \(N, 1, H, W\) or .*, not \(1, 3, 28"):
        network(torch.zeros(1, 3, 28, 28))
    with pytest.raises(lenet.LenetError, match=r"uint8 or float in \[0, 1\], not torch.int64"):
        network(torch.zeros(1, 1, 28, 28, dtype=torch.int64))


def test_training_in_python_leaves_what_the_command_leaves(trained: Experiment) -> None:
    run = trained.runs[0]
    assert run.read_json("environment.json")["command"][0] == "python"
    assert run.read_json("result.json")["accuracy/test"] == trained.results[0]["accuracy/test"]
    assert (run.folder / "projector_config.pbtxt").is_file() == run.config.evaluate.pictures
