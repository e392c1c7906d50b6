"""Whether interrupted training is found to be the same, and differences are named."""

from pathlib import Path

from lenet.studies import verify_resume as verifying
from lenet.studies.verify_resume import FILES, Verdict, compare_files


def test_files_that_differ_by_a_byte_are_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        for file in FILES:
            (folder / file).write_bytes(b"same")
    assert compare_files(one, other) == []
    (other / "metrics.jsonl").write_bytes(b"sane")
    assert compare_files(one, other) == ["metrics.jsonl"]


def test_a_verdict_says_how_often_training_was_interrupted_and_what_differs() -> None:
    same = Verdict("ab12", stopped=3, killed=2, differences=[])
    assert same.same and same.as_dict()["same"] is True
    assert same.describe().splitlines() == [
        "uninterrupted run: weights have sha256 ab12",
        "stopped and resumed 3 times, killed and resumed 2 times:",
        "weights, metrics, result and TensorBoard curves are identical",
    ]
    other = Verdict("ab12", 1, 1, ["killed: metrics.jsonl"])
    assert not other.same
    assert other.describe().splitlines()[2:] == ["DIFFERENT: killed: metrics.jsonl"]


def test_a_stop_comes_within_its_share_of_the_steps_and_the_last_run_is_not_stopped() -> None:
    drawn = {verifying._draw_moment(30, 3, so_far) for so_far in (0, 1, 2) for _ in range(200)}
    assert drawn == set(range(1, 11))
    assert verifying._draw_moment(30, 3, 3) > 10**9
    assert verifying._draw_moment(1, 3, 0) == 1  # fewer steps than interruptions
    stop = verifying._Countdown(2)
    assert [stop(), stop(), stop()] == [False, True, True]
