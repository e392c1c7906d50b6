import pytest

from lenet.figures.confusion import draw_confusion


def test_cells_hold_the_counts_and_the_margins_the_mistakes(make_subject) -> None:
    subject = make_subject()
    figure = draw_confusion(subject)
    axes = figure.axes[0]
    cells = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    counts = subject.result.confusion
    for truth in range(10):
        for said in range(10):
            count = int(counts[truth, said])
            assert cells[said, truth] == (str(count) if count else "·")
        assert cells[10, truth] == str(int(counts[truth].sum() - counts[truth, truth]))
        assert cells[truth, 10] == str(int(counts[:, truth].sum() - counts[truth, truth]))
    assert cells[10, 10] == "3"
    assert (
        figure.get_suptitle()
        == "canned/0: 3 test errors of 200 (accuracy 98.50 %, 95 % CI 1–9 errors)"
    )


def test_colour_shows_mistakes_and_not_the_diagonal(make_subject) -> None:
    subject = make_subject()
    shown = draw_confusion(subject).axes[0].images[0].get_array()
    assert shown.diagonal().tolist() == [0] * 10
    assert shown.sum() == 3


@pytest.mark.parametrize("names", [["cat", "dog"], [f"species {i}" for i in range(47)]])
def test_two_and_47_classes_are_named_and_no_text_is_larger_than_its_cell(
    make_subject, names
) -> None:
    figure = draw_confusion(make_subject(names=names))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()][:-1] == names
    side = abs(axes.transData.transform((1, 1)) - axes.transData.transform((0, 0)))
    for text in axes.texts:
        box = text.get_window_extent()
        assert box.width < 1.3 * side[0] and box.height < 1.3 * side[1]
