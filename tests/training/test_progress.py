"""The line that shows how far a training is."""

import io
import os
import select
import sys

import pytest

from lenet.training.progress import Progress


def test_the_bar_spans_all_epochs_and_seeds_and_starts_where_a_training_goes_on() -> None:
    bar = Progress(epochs=3, images=100, done=150, seeds=2, shown=False)
    assert (bar.bar.total, bar.bar.n) == (600, 300)


def test_the_bar_shows_epoch_time_left_rate_and_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = Progress(epochs=2, images=1000, done=0, seeds=1, shown=True)
    bar.begin(1)
    bar.advance(500)
    bar.show_error(0.0213)
    bar.begin(1, "evaluating")
    bar.above(lambda line: stream.write(f"{line}\n"))("a line")
    bar.close()
    shown = stream.getvalue()
    assert (
        "epoch 1/2" in shown and "evaluating 1/2" in shown and "25 %" in shown and "left" in shown
    )
    assert "images/s" in shown and "error 2.13 %" in shown
    assert "\ra line\n" in shown  # the bar was cleared before


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize("size", [(24, 80), (0, 80), (0, 0)])
def test_the_bar_is_drawn_in_terminals_that_claim_to_have_no_rows(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    with os.fdopen(theirs, "w") as stream, os.fdopen(ours, "rb", buffering=0) as seen:
        monkeypatch.setattr(sys, "stderr", stream)
        bar = Progress(epochs=2, images=1000, done=0, seeds=1, shown=True)
        bar.advance(500)
        bar.begin(1, "evaluating")
        shown = b""
        while select.select([seen], [], [], 0.2)[0]:
            shown += seen.read(1000)
        bar.close()
    assert "evaluating 1/2 ██▎        25 %" in shown.decode()


def test_nothing_is_drawn_if_it_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress(1, 10, 0, 1, shown=False)
    bar.begin(1)
    bar.advance(10)
    bar.above(print)("a line")
    bar.close()
    assert capsys.readouterr() == ("a line\n", "")
