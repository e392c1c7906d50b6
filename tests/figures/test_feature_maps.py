import pytest
import torch
from torch import nn

from lenet.data.preprocessing import scale_pixels
from lenet.figures.maps import MOST_BARS, draw_maps


def names(figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts if t.get_position()[0] == 0.1]


def test_every_layer_is_named_with_its_size(make_subject) -> None:
    assert names(draw_maps(make_subject("lenet5"))) == [
        "INPUT", "32×32", "C1", "6 @ 28×28", "S2", "6 @ 14×14", "C3", "16 @ 10×10",
        "S4", "16 @ 5×5", "C5", "120", "F6", "84", "OUTPUT", "10 penalties",
    ]  # fmt: skip


def test_f6_is_a_bitmap_beside_the_ten_targets(make_subject) -> None:
    subject = make_subject("lenet5", image=5)
    images = draw_maps(subject).axes[0].images
    bitmaps = [image.get_array() for image in images if image.get_array().shape == (12, 7)]
    assert len(bitmaps) == 11
    targets = subject.classifier.model.output.centres.view(10, 12, 7)
    torch.testing.assert_close(torch.tensor(bitmaps[-1]), targets[9])
    codes = nn.Sequential(*list(subject.classifier.model)[:-1])(
        subject.classifier.preprocess(scale_pixels(subject.test.images[5:6]))
    )
    torch.testing.assert_close(torch.tensor(bitmaps[0]), codes.detach().view(12, 7))


def test_bars_are_the_outputs_and_the_title_the_prediction(make_subject) -> None:
    subject = make_subject(image=17)
    figure = draw_maps(subject)
    label, said = int(subject.test.labels[17]), int(subject.predictions[17])
    assert figure.get_suptitle() == f"canned/0: test image 17, a {label}, recognized as {said}"
    printed = [t.get_text() for t in figure.axes[0].texts]
    assert all(f"{value:.1f}" in printed for value in subject.outputs[17].tolist())


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern", "mlp", "linear"])
def test_nothing_reaches_beyond_the_page(make_subject, kind: str) -> None:
    axes = draw_maps(make_subject(kind)).axes[0]
    assert max(image.get_extent()[1] for image in axes.images) <= axes.get_xlim()[1]
    assert max(image.get_extent()[2] for image in axes.images) <= axes.get_ylim()[0]


def test_of_many_classes_the_best_have_bars_with_their_names(make_subject) -> None:
    names = [f"kind {i}" for i in range(47)]
    subject = make_subject(names=names)
    texts = [text.get_text() for text in draw_maps(subject).axes[0].texts]
    best = subject.outputs[0].topk(MOST_BARS).indices.sort().values.tolist()
    assert [text for text in texts if text in names] == [names[label] for label in best]
