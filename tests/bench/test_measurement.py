"""Rates by turns, and the tables made of them, on rows worked out by hand."""

import time

import pytest

from lenet.bench.measurement import Row, rate_table, ratio, take_turns, timed
from lenet.tables import BEST

SLOW = Row("slow", [100.0, 50.0, 400.0])
FAST = Row("fast", [200.0, 150.0, 400.0])  # twice, three times and once as fast


def test_work_takes_turns_and_the_first_turn_is_a_warm_up() -> None:
    order: list[str] = []

    def work(name: str, rates: list[float]):
        def do() -> float:
            order.append(name)
            return rates.pop(0)

        return do

    rows = take_turns({"a": work("a", [1.0, 2.0, 3.0]), "b": work("b", [9.0, 8.0, 7.0])}, rounds=2)
    assert order == ["a", "b"] * 3
    assert rows == [Row("a", [2.0, 3.0]), Row("b", [8.0, 7.0])]


def test_a_rate_is_images_by_seconds_of_the_work_itself() -> None:
    def work() -> int:
        time.sleep(0.02)
        return 10

    assert 0 < timed(work)() <= 10 / 0.02


def test_the_middle_rate_is_told_with_all_of_them() -> None:
    assert SLOW.median == 100.0
    assert Row("even", [1.0, 2.0, 4.0, 8.0]).median == 3.0
    assert SLOW.as_dict() == {"name": "slow", "median": 100.0, "rounds": [100.0, 50.0, 400.0]}


def test_a_ratio_is_the_middle_of_the_rounds_and_not_the_ratio_of_the_middles() -> None:
    assert ratio([SLOW, FAST], "fast", "slow") == 2.0
    assert ratio([SLOW, FAST], "slow", "fast") == 0.5
    uneven = [Row("a", [10.0, 30.0, 20.0]), Row("b", [10.0, 10.0, 40.0])]
    assert ratio(uneven, "a", "b") == 1.0  # of 1, 3 and ½; the middles, 20 and 10, would say 2


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    rows = [Row("a", [300.0, 30.0, 3.0]), Row("b", [100.0, 10.0, 1.0])]
    assert ratio(rows, "a", "b") == 3.0


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([Row("a", [1.0, 2.0]), Row("b", [1.0])], "a", "b")


def test_a_table_gives_middle_rates_and_ratios_to_its_reference() -> None:
    table = rate_table([SLOW, FAST, Row("fastest", [12345.6] * 3)], "slow")
    assert table.styles == {2: BEST}
    assert table.markdown() == (
        "| what | images/s | ratio |\n"
        "|---|---:|---:|\n"
        "| slow | 100 | 1.00 |\n"
        "| fast | 200 | 2.00 |\n"
        "| fastest | 12,346 | 123.46 |"
    )
