"""The benchmark measures every transform, and others' where they have them."""

from functools import partial

import pytest

from lenet.augment.catalogue import AUGMENTATIONS, MIXINGS, PRESETS, build_mixing, build_pipeline
from lenet.bench.augment import (
    BOTH,
    CASES,
    COLUMNS,
    KORNIA_CASES,
    measure,
    table,
    torchvision_cases,
)
from lenet.bench.measurement import Row


def test_every_transform_is_measured():
    assert set(CASES) - {BOTH} == {*AUGMENTATIONS, *PRESETS, *MIXINGS}
    assert set(KORNIA_CASES) | set(torchvision_cases()) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_measured_can_be_built(name):
    build = partial(build_mixing, classes=10) if name in MIXINGS else build_pipeline
    assert build(CASES[name]).transforms


@pytest.mark.parametrize("name", KORNIA_CASES)
def test_what_kornia_is_measured_by_can_be_built(name):
    pytest.importorskip("kornia")
    assert build_pipeline(KORNIA_CASES[name]).transforms


def test_the_table_has_dashes_where_nobody_else_has_it():
    rows = [Row(f"Cutout | {COLUMNS[0]}", [1000.0, 3000.0])]
    assert "| Cutout | 2,000 | — | — | — | — |" in table(rows).markdown()


def test_one_thread_is_no_threads(monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    assert table([]).headings[0] == "images/s, 1 thread"


@pytest.mark.slow
def test_measuring_gives_a_rate_for_each_column(mnist):
    rows = measure(None, 1, ["RandomAffine", "MixUp"])
    assert [row.name for row in rows] == [
        *(f"RandomAffine | {column}" for column in (COLUMNS[0], COLUMNS[3], *COLUMNS[1:3])),
        *(["RandomAffine | kornia"] if any("kornia" in row.name for row in rows) else []),
        f"MixUp | {COLUMNS[0]}",
        f"MixUp | {COLUMNS[3]}",
    ]
    assert all(row.median > 0 for row in rows)
