"""Errors by size of network, beside what others claim."""

from lenet.figures.reproduction import draw_study
from lenet.studies.frontier import CLAIMS, FRONTIER, count_parameters, find_best
from lenet.studies.study import collect


def test_parameters_of_an_ensemble_are_those_of_all_its_networks(tmp_path) -> None:
    counts = {m.row.label: count_parameters(m) for m in collect(FRONTIER, tmp_path)}
    # C1, C3, C5, F6 and the outputs: 156 + 2,416 + 48,120 + 10,164 + 850; batch norm's on top.
    folded, norms = 61_706, 2 * (6 + 16 + 120 + 84)
    assert counts["modern LeNet-5"] == folded + norms
    assert counts["five of these LeNet-5s"] == 5 * counts["modern LeNet-5"]
    assert counts["LeNet-5 of 1998"] == 60_000  # as in the paper


def test_a_network_stands_beside_the_fewest_errors_of_others_of_at_most_its_size() -> None:
    best = {size: find_best(size) for size in (696, 697, 7_918, 60_000)}
    assert best[696] is None
    assert [best[size].errors for size in (697, 7_918, 60_000)] == [100, 48, 41]


def test_the_table_says_where_the_figure_beside_a_network_was_chosen_by_test_errors(
    tmp_path,
) -> None:
    table = FRONTIER.table(collect(FRONTIER, tmp_path))
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert rows["LeNet-1"][-1] == "100 (697, watched)"
    assert rows["five of these compact"] == ["294,870", "22", "99.78 %", "41 (15,794, watched)"]
    (details,) = FRONTIER.as_dicts(collect(FRONTIER, tmp_path)[:1])
    assert details["parameters"] == 2_578


def test_figures_that_were_chosen_by_test_errors_are_hollow(tmp_path) -> None:
    ((name, figure),) = draw_study(FRONTIER, collect(FRONTIER, tmp_path)).items()
    assert name == "frontier"
    honest, watched = figure.axes[0].lines[:2]
    assert watched.get_markerfacecolor() == "none" != honest.get_markerfacecolor()
    hollow = [claim.errors for claim in CLAIMS if claim.watched]
    assert list(watched.get_ydata()) == hollow
