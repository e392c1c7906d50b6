"""One-image updates a second, by our rule and by autograd."""

from lenet.bench.paper import AUTOGRAD, BESIDE, ONE, TOGETHER, measure, table


def test_all_four_ways_are_measured_in_one_run() -> None:
    rows = measure(rounds=1, updates=3)
    assert [row.name for row in rows] == [AUTOGRAD, ONE, TOGETHER, BESIDE]
    assert all(len(row.images_per_second) == 1 and row.median > 0 for row in rows)
    header, _, first, *_ = table(rows).markdown().splitlines()
    assert header == "| what | updates/s | ratio |"
    assert first.startswith("| autograd, one network |")
    assert first.endswith("| 1.00 |")
