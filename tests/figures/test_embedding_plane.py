from dataclasses import replace

import pytest
import torch

from lenet.figures.embedding import draw_embedding, encode
from lenet.figures.subject import UnfitError


def test_codes_are_the_states_before_the_output(make_subject) -> None:
    subject = make_subject("lenet5")
    layer, codes = encode(subject, subject.test.images[:7])
    assert layer == "f6"
    assert codes.shape == (7, 84)
    torch.testing.assert_close(
        subject.classifier.model.output(codes), subject.outputs[:7], rtol=1e-4, atol=1e-3
    )


def test_a_linear_classifier_codes_pixels(make_subject) -> None:
    layer, codes = encode(make_subject("linear"), make_subject("linear").test.images[:2])
    assert layer == "input"
    assert codes.shape == (2, 32 * 32)


def test_all_mistakes_are_circled_and_all_digits_named(make_subject) -> None:
    subject = make_subject()
    subject.test.labels[:10] = torch.arange(10)
    wrong = int((subject.test.labels != subject.predictions).sum())
    figure = draw_embedding(subject, count=150)
    axes = figure.axes[0]
    assert axes.collections[-1].get_label() == f"all {wrong} misclassified"
    assert len(axes.collections[-1].get_offsets()) == wrong
    assert [text.get_text() for text in axes.texts] == [str(digit) for digit in range(10)]


def test_fewer_images_than_a_plane_takes_are_told(make_subject) -> None:
    subject = make_subject()
    few = replace(subject, test=subject.test.take(torch.arange(1)))
    with pytest.raises(UnfitError, match="1 test image cannot be laid out in a plane"):
        draw_embedding(few)
