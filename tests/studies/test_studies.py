"""All studies, and how they are named."""

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.studies import STUDIES, choose_studies
from lenet.studies.study import Row


def test_without_a_name_figure9_is_meant() -> None:
    assert choose_studies([]) == [STUDIES["figure9"]]


def test_studies_and_rows_of_figure9_are_chosen_in_their_order() -> None:
    figure9, pooling = choose_studies(["pooling", "lenet5", "linear"])
    assert [row.name for row in figure9.rows] == ["linear", "lenet5"]
    assert pooling is STUDIES["pooling"]
    assert choose_studies(["figure9", "lenet5"]) == [STUDIES["figure9"]]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no study 'pool'; there are figure9, ladder, .*linear"):
        choose_studies(["ladder", "pool"])


def test_runs_in_one_place_are_trained_alike() -> None:
    rows: dict[str, Row] = {}
    for row in [row for study in STUDIES.values() for row in study.rows]:
        first = rows.setdefault(row.experiment, row)
        assert (first.config, first.overrides) == (row.config, row.overrides)
        assert load_config(row.config, row.overrides)


def test_the_labels_of_a_study_differ() -> None:
    for study in STUDIES.values():
        labels = [row.label for row in study.rows if row.label != "ensemble of these"]
        assert len(set(labels)) == len(labels)
