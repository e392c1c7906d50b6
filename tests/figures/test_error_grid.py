from matplotlib.patches import Rectangle

from lenet.evaluation.ensemble import DOUBTFUL
from lenet.figures.errors import MOST, draw_errors


def captions(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_mistake_is_shown_with_its_label_and_prediction(make_subject) -> None:
    subject = make_subject()
    figure = draw_errors(subject)
    wrong = subject.mistakes().tolist()
    assert captions(figure) == [
        f"{subject.test.labels[i]} → {subject.predictions[i]}" for i in wrong
    ]
    shown = [image.get_array() for image in figure.axes[0].images]
    assert all(
        (array == (subject.test.images[i, 0] / 255).numpy()).all()
        for array, i in zip(shown, wrong, strict=True)
    )
    assert figure.get_suptitle() == "canned/0: all 3 test errors of 200, surest first"


def test_doubtful_labels_are_framed(make_subject, monkeypatch) -> None:
    monkeypatch.setitem(DOUBTFUL, 17, "3, rather a 4")
    figure = draw_errors(make_subject())
    assert len([p for p in figure.axes[0].patches if isinstance(p, Rectangle)]) == 1
    assert "framed: 1 whose label people doubt" in figure.get_supxlabel()


def test_more_mistakes_than_fit_are_cut_and_the_title_says_so(make_subject) -> None:
    subject = make_subject()
    subject.test.labels.add_(1).remainder_(10)
    images = subject.test.images.repeat(3, 1, 1, 1)
    crowded = type(subject)(
        subject.run, subject.classifier, "other",
        type(subject.test)(images, subject.test.labels.repeat(3)),
    )  # fmt: skip
    figure = draw_errors(crowded)

    assert len(captions(figure)) == MOST
    assert f"the {MOST} surest of 600 test errors" in figure.get_suptitle()


def test_a_run_without_mistakes_gets_an_empty_grid(make_subject) -> None:
    subject = make_subject()
    subject.test.labels.copy_(subject.predictions)
    assert captions(draw_errors(subject)) == []


def test_long_names_stand_in_two_lines_beneath_larger_images(make_subject) -> None:
    figure = draw_errors(make_subject(names=["golden retriever", "cat"]))
    captions = {text.get_text() for text in figure.axes[0].texts}
    assert captions <= {"golden retriever\n→ cat", "cat\n→ golden retriever"} and captions
