import pytest

from lenet.figures.confidence import draw_calibration, draw_rejection
from lenet.figures.subject import UnfitError


def test_the_rejection_curve_starts_at_the_error_rate_and_ends_without_errors(make_subject) -> None:
    figure = draw_rejection(make_subject())
    rejected, errors = figure.axes[0].lines[0].get_data()
    assert (rejected[0], errors[0]) == (0, pytest.approx(1.5))
    assert errors[-1] == 0
    assert figure.get_suptitle().startswith("canned/0: ")


def test_a_network_of_half_a_per_cent_is_asked_for_a_tenth(make_subject) -> None:
    subject = make_subject()
    subject.test.labels[:] = subject.predictions
    subject.test.labels[3] = (subject.predictions[3] + 1) % 10
    figure = draw_rejection(subject)
    curve, dot, _ = figure.axes[0].lines
    assert curve.get_ydata()[0] == pytest.approx(0.5)
    assert dot.get_ydata()[0] == pytest.approx(0.1)
    needed = float(dot.get_xdata()[0])  # the images that are less sure than the wrong one, and it
    assert 0 < needed <= 100
    assert figure.get_suptitle() == f"canned/0: {needed:.1f} % rejected leave 0.1 % errors"


def test_calibration_counts_every_image_once(make_subject) -> None:
    below = draw_calibration(make_subject()).axes[1]
    assert sum(bar.get_height() for bar in below.patches) == 200


def test_what_is_said_of_the_end_stands_above_the_curve(make_subject) -> None:
    (axes,) = draw_rejection(make_subject()).axes
    said = next(text for text in axes.texts if text.get_text().startswith("none wrong"))
    errors = axes.lines[0].get_ydata()
    assert said.xy[1] == errors[len(errors) // 2 :].max()


def test_without_errors_there_is_nothing_to_reject(make_subject) -> None:
    subject = make_subject()
    subject.test.labels[:] = subject.predictions
    with pytest.raises(UnfitError, match=r"no errors on the test images.*`calibration` fits"):
        draw_rejection(subject)
