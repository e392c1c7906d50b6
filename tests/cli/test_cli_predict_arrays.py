"""`lenet predict` on files of many images."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lenet.cli import app
from lenet.data.datasets import Dataset
from lenet.reading.predict import load_ensemble


def test_a_table_of_images_becomes_a_submission(tmp_path: Path, sample: Dataset) -> None:
    images = sample.test.images[:200:20]
    labels = load_ensemble("published:compact")(images).argmax(dim=1)
    rows = [",".join(map(str, image.flatten().tolist())) for image in images]
    path = tmp_path / "test.csv"
    path.write_text("\n".join([",".join(f"pixel{i}" for i in range(784)), *rows]))
    out = tmp_path / "out.csv"
    command = ["predict", "published:compact", str(path), "--csv", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    expected = [f"{i},{label}" for i, label in enumerate(labels.tolist(), 1)]
    assert out.read_text().splitlines() == ["ImageId,Label", *expected]
    assert "10 answers in" in done.stderr
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "--overwrite" in again.stderr


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_many_images_need_a_table_to_be_written_to(tmp_path: Path, more: list[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28)))
    done = CliRunner().invoke(app, ["predict", "published:compact", str(tmp_path / "x.npy"), *more])
    assert done.exit_code == 2
    assert "--csv out.csv" in done.stderr
