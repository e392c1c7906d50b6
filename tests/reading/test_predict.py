"""Pictures in, digits out; what cannot be read is said, and the rest is read."""

import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from drawings import render_drawing, write_drawings
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from lenet.cli import app
from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.pictures import PictureError, decode_scaled
from lenet.evaluation.classifier import Ensemble, build_classifier
from lenet.reading.digitize import digitize, prepare
from lenet.reading.predict import load_ensemble, read_digits
from lenet.runs.find import published_names
from lenet.runs.run import Run

SINGLE, ENSEMBLE = "handwriting/0", "plain"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose network has learned nothing."""
    config = load_config("modern/plain").config
    run = Run.create("net", config, tmp_path_factory.mktemp("runs"))
    run.save_weights(build_classifier(config).model.state_dict())
    return run


def published(name: str) -> Ensemble:
    if name.partition("/")[0] not in published_names():
        pytest.skip(f"needs the published weights {name!r}")
    return load_ensemble(f"published:{name}")


def test_an_ensemble_s_probabilities_are_the_mean_of_its_seeds() -> None:
    seeds = [build_classifier(load_config("modern/plain", seed=s).config) for s in (0, 1)]
    ink = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    mean = (seeds[0](ink) + seeds[1](ink)) / 2
    torch.testing.assert_close(Ensemble(seeds)(ink), mean)


def test_readings_come_in_order_also_from_several_processes(run: Run, tmp_path: Path) -> None:
    paths = write_drawings(tmp_path, range(12))
    paths[5].write_bytes(b"no picture")
    ensemble = load_ensemble(str(run.folder))
    alone = list(read_digits(ensemble, paths, workers=1, batch_size=4))
    together = list(read_digits(ensemble, paths, workers=2, batch_size=4))
    assert [r.path for r in alone] == paths
    assert [r.describe(0.5) for r in alone] == [r.describe(0.5) for r in together]
    assert [r.seen is None for r in alone] == [i == 5 for i in range(12)]


def test_the_command_reads_on_after_a_bad_picture_and_fails_at_the_end(
    run: Run, tmp_path: Path
) -> None:
    write_drawings(tmp_path, range(2))
    good, other = tmp_path / "0000.img", tmp_path / "0001.img"
    Image.new("L", (50, 50), 255).save(tmp_path / "empty.png")
    Image.new("L", (50, 50), 0).save(tmp_path / "full.png")
    Image.new("L", (1, 1)).save(tmp_path / "pixel.png")
    bad = [tmp_path / f"{name}.png" for name in ("empty", "full", "pixel", "none")]
    names = [str(path) for path in (good, *bad, other)]
    result = CliRunner().invoke(app, ["predict", str(run.folder), *names])
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [str(good), str(other)]
    assert result.stderr.splitlines() == [
        f"{bad[0]}: no ink: the picture is one even tone",
        f"{bad[1]}: no ink: the picture is one even tone",
        f"{bad[2]}: 1 × 1 pixels are too few for a digit",
        f"{bad[3]}: no such file",
        "4 of 6 pictures could not be read",
    ]


def test_an_unsure_reading_is_called_so(run: Run, tmp_path: Path) -> None:
    (path,) = write_drawings(tmp_path, range(1))
    result = CliRunner().invoke(app, ["predict", str(run.folder), str(path), "--reject", "1"])
    assert result.exit_code == 0
    assert f"{path}: unsure  (" in result.stdout


def test_json_carries_digit_probability_and_runner_up(run: Run, tmp_path: Path) -> None:
    (path,) = write_drawings(tmp_path, range(1))
    result = CliRunner().invoke(app, ["predict", str(run.folder), str(path), "--json"])
    (reading,) = json.loads(result.stdout)
    assert 0 < reading["runner_up_probability"] <= reading["probability"] <= 1
    assert reading["digit"] != reading["runner_up"]


def test_json_counts_the_other_marks_of_a_picture(run: Run, tmp_path: Path) -> None:
    marks = np.full((60, 120), 255, dtype=np.uint8)
    marks[15:45, 20:26] = marks[15:45, 60:68] = 0  # two strokes
    Image.fromarray(marks).save(tmp_path / "two.png")
    result = CliRunner().invoke(app, ["predict", str(run.folder), str(tmp_path), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["other_marks"] == 1


def test_standard_input_is_a_picture(run: Run) -> None:
    data = render_drawing(3).data
    result = CliRunner().invoke(app, ["predict", str(run.folder), "-"], input=data)
    assert result.exit_code == 0
    assert result.stdout.startswith("-: ")


def test_show_draws_what_the_network_saw(run: Run, tmp_path: Path) -> None:
    (path,) = write_drawings(tmp_path, range(1))
    picture = tmp_path / "shown.png"
    options = ["--show", str(picture)]
    assert CliRunner().invoke(app, ["predict", str(run.folder), str(path), *options]).exit_code == 0
    assert np.asarray(Image.open(picture)).std() > 10


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_names_that_are_no_text_and_dollars_are_drawn_and_tabulated(
    run: Run, tmp_path: Path
) -> None:
    names = [os.fsdecode(b"\xff.png"), "$frac$.png"]
    for name in names:
        with (tmp_path / name).open("wb") as stream:
            bar = np.pad(np.zeros((30, 6), np.uint8), 20, constant_values=255)
            Image.fromarray(bar).save(stream, format="PNG")
    shown, table = tmp_path / "seen.png", tmp_path / "out.csv"
    files = [str(tmp_path / name) for name in names]
    command = ["predict", str(run.folder), *files, "--show", str(shown), "--csv", str(table)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0 and shown.exists()
    assert b"\xff.png," in table.read_bytes()


def test_an_empty_folder_keeps_nobody_from_reading_the_rest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (path,) = write_drawings(tmp_path, range(1))
    names = [str(tmp_path / "empty"), str(path), str(tmp_path / "*.webp")]
    result = CliRunner().invoke(app, ["predict", str(run.folder), *names])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}: ")
    assert "empty: the folder holds no picture" in result.stderr
    assert "*.webp: no file matches" in result.stderr


def test_a_picture_that_cannot_be_drawn_is_refused_before_reading(run: Run, tmp_path: Path) -> None:
    (path,) = write_drawings(tmp_path, range(1))
    options = ["--show", str(tmp_path / "seen.txt")]
    result = CliRunner().invoke(app, ["predict", str(run.folder), str(path), *options])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "floor"), [(SINGLE, 0.90), (ENSEMBLE, 0.95)])
def test_published_networks_read_drawings(name: str, floor: float, tmp_path: Path) -> None:
    ensemble = published(name)
    paths = write_drawings(tmp_path, range(300))
    readings = list(read_digits(ensemble, paths, workers=1))
    right = sum(reading.digit == seed % 10 for seed, reading in enumerate(readings))
    assert right >= floor * len(paths), f"{right} of {len(paths)}"


def photograph(image: np.ndarray, seed: int) -> np.ndarray:
    """An MNIST image (28, 28) rendered large, tinted, off-centre, often inverted, as JPEG."""
    rng = np.random.default_rng([28, seed])
    side = int(rng.integers(100, 260))
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    field = Image.new("L", (int(side * rng.uniform(1, 1.8)), int(side * rng.uniform(1, 1.8))))
    place = [int(rng.integers(0, field.size[i] - side + 1)) for i in (0, 1)]
    field.paste(large, place)
    share = np.asarray(field.filter(ImageFilter.GaussianBlur(0.5)), float)[..., None] / 255
    dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    ink, paper = (dark, light) if rng.random() < 0.5 else (light, dark)
    file = io.BytesIO()
    scene = Image.fromarray(np.rint(paper + (ink - paper) * share).astype(np.uint8))
    scene.save(file, "JPEG", quality=int(rng.integers(50, 95)))
    file.seek(0)
    return decode_scaled(file, 640)[0]


@pytest.mark.slow
def test_photographed_mnist_is_read_nearly_as_well_as_mnist(mnist: Dataset) -> None:
    ensemble = published(SINGLE)
    test = mnist.test
    inks = np.zeros((len(test), 28, 28), dtype=np.float32)
    for i, image in enumerate(test.images[:, 0].numpy()):
        try:
            inks[i] = digitize(photograph(image, i)).ink
        except PictureError:
            inks[i] = np.nan  # counts as an error
    plain = ensemble(test.images / 255).argmax(dim=1) != test.labels
    seen = ensemble(torch.from_numpy(inks)[:, None])
    errors = (seen.nan_to_num(-1).argmax(dim=1) != test.labels) | seen.isnan().any(dim=1)
    assert int(errors.sum()) <= int(plain.sum()) + 20


@pytest.mark.slow
def test_photos_and_small_files_are_prepared_fast(tmp_path: Path, mnist: Dataset) -> None:
    """Per process; the floors of 300 photos a minute and 2,000 small files a second are for two."""
    large = Image.fromarray(mnist.test.images[0, 0].numpy()).resize((3000, 4000)).convert("RGB")
    large.point(lambda v: 235 - v * 0.8).save(tmp_path / "photo.jpg")
    small = tmp_path / "small.png"
    Image.fromarray(mnist.test.images[0, 0].numpy()).save(small)
    start = time.process_time()
    prepare([tmp_path / "photo.jpg"] * 10)
    photos = time.process_time() - start
    start = time.process_time()
    prepare([small] * 500)
    files = time.process_time() - start
    assert photos / 10 < 2 * 60 / 300
    assert files / 500 < 2 / 2000
