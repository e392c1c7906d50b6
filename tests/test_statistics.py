"""Intervals and tests, against values worked out elsewhere."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenet.statistics import (
    describe_errors,
    describe_mean_errors,
    mcnemar,
    summarize,
    wilson_interval,
)


def test_the_interval_of_82_errors_is_66_to_102() -> None:
    low, high = wilson_interval(82, 10_000)
    assert (round(low), round(high)) == (66, 102)


def test_wilsons_interval_of_one_in_ten_is_the_textbooks() -> None:
    # (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) at p = 0.1, n = 10, z = 1.96.
    low, high = wilson_interval(1, 10)
    assert (low, high) == (pytest.approx(0.179, abs=5e-4), pytest.approx(4.042, abs=5e-4))


def test_no_errors_still_leave_room_for_some() -> None:
    low, high = wilson_interval(0, 10_000)
    assert low == 0
    assert high == pytest.approx(3.84, abs=0.01)


@given(st.integers(1, 10**6), st.data())
def test_the_interval_lies_within_the_images_and_holds_the_count(
    n: int, data: st.DataObject
) -> None:
    errors = data.draw(st.integers(0, n))
    low, high = wilson_interval(errors, n)
    assert 0 <= low <= errors <= high <= n


@pytest.mark.parametrize(("errors", "n"), [(0, 0), (-1, 10), (11, 10)])
def test_impossible_counts_have_no_interval(errors: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{errors} errors of {n} images"):
        wilson_interval(errors, n)


def test_errors_are_described_as_a_count_a_rate_and_an_interval() -> None:
    assert (
        describe_errors(82, 10_000)
        == "82 errors / 10,000 (accuracy 99.18 %, 95 % CI 66–102 errors)"
    )


def test_a_summary_has_the_sample_standard_deviation() -> None:
    summary = summarize([2, 4, 4, 4, 5, 5, 7, 9])
    assert summary.mean == 5
    assert summary.sd == pytest.approx((32 / 7) ** 0.5)
    assert str(summarize([80, 82, 84])) == "82.0 ± 2.0 (n = 3)"
    assert str(summarize([82])) == "82.0 (n = 1)"
    assert f"{summarize([1000, 3000]):.0f}" == "2,000 ± 1,414"


def test_mcnemar_is_a_sign_test_on_the_disagreements() -> None:
    # 1 of 10 disagreements: 2 (1 + 10) / 2^10.
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(22 / 1024)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0


def test_the_mean_over_seeds_is_written_beside_the_accuracy() -> None:
    errors = summarize([40, 42])  # sd √2
    assert describe_mean_errors(errors, 10_000) == (
        "41.0 ± 1.4 errors / 10,000 (accuracy 99.59 %, 2 seeds)"
    )
    one = describe_mean_errors(summarize([7]), 1_000)
    assert one == "7 errors / 1,000 (accuracy 99.30 %, 1 seed)"


def test_mcnemar_of_thousands_of_disagreements_is_exact_and_quick() -> None:
    began = time.process_time()
    assert mcnemar(5000, 5000) == 1.0
    assert mcnemar(4900, 5100) == pytest.approx(0.0466, abs=1e-4)
    assert time.process_time() - began < 1
