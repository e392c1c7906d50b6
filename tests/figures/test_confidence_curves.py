import pytest

from lenet.figures.confidence import draw_calibration, draw_rejection


def test_the_rejection_curve_starts_at_the_error_rate_and_ends_without_errors(make_subject) -> None:
    figure = draw_rejection(make_subject())
    rejected, errors = figure.axes[0].lines[0].get_data()
    assert (rejected[0], errors[0]) == (0, pytest.approx(1.5))
    assert errors[-1] == 0
    assert figure.get_suptitle().startswith("canned/0: ")


def test_calibration_counts_every_image_once(make_subject) -> None:
    below = draw_calibration(make_subject()).axes[1]
    assert sum(bar.get_height() for bar in below.patches) == 200


def test_what_is_said_of_the_end_stands_above_the_curve(make_subject) -> None:
    (axes,) = draw_rejection(make_subject()).axes
    said = next(text for text in axes.texts if text.get_text().startswith("none wrong"))
    errors = axes.lines[0].get_ydata()
    assert said.xy[1] == errors[len(errors) // 2 :].max()
