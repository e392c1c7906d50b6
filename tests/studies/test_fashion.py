"""Clothes, all of them and few."""

from pathlib import Path

from lenet.config.load import load_config
from lenet.studies.fashion import FASHION
from lenet.studies.study import collect


def test_from_scratch_and_from_digits_differ_in_nothing_else() -> None:
    configs = [load_config(row.config, row.overrides).config for row in FASHION.rows[2:]]
    assert [config.data.train_size for config in configs] == [5000, 5000, 1000, 1000, 200, 200]
    for scratch, started in zip(configs[::2], configs[1::2], strict=True):
        assert started.train.from_ == "published:handwriting"
        train = started.train.model_copy(update={"from_": None})
        assert started.model_copy(update={"train": train}) == scratch


def test_the_network_on_few_images_is_the_one_that_read_digits() -> None:
    few = load_config("fashion/few").config
    assert few.model == load_config("modern/handwriting").config.model


def test_the_published_accuracy_stands_beside_ours(finish, tmp_path: Path) -> None:
    finish("fashion/lenet5", [800, 900])
    finish("fashion/compact", [700])
    table = FASHION.table(collect(FASHION, tmp_path, [])).markdown()
    assert table.splitlines()[2:] == [
        "| LeNet-5's shape | 850 ± 71 | 91.50 % | 92.5 % | 2 |",
        "| compact network | 700 | 93.00 % | 92.5 % | 1 |",
    ]
