from itertools import combinations

import pytest

from lenet.figures.architecture import describe_layers, draw_architecture, draw_blocks
from lenet.models import build_model


def test_lenet5_is_described_in_the_papers_words() -> None:
    blocks = describe_layers(build_model("lenet5", 32), 32)
    assert [(b.name, b.size, b.verb) for b in blocks] == [
        ("input", "32×32", ""),
        ("c1", "6 @ 28×28", "convolutions"),
        ("s2", "6 @ 14×14", "subsampling"),
        ("c3", "16 @ 10×10", "convolutions"),
        ("s4", "16 @ 5×5", "subsampling"),
        ("c5", "120", "convolutions"),
        ("f6", "84", "full connection"),
        ("output", "10", "Gaussian connections"),
    ]
    assert [b.field for b in blocks] == [0, 5, 2, 5, 2, 0, 0, 0]


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern", "mlp", "linear"])
def test_every_caption_lies_within_the_picture(make_subject, kind: str) -> None:
    figure = draw_architecture(make_subject(kind))
    figure.canvas.draw()
    page = figure.bbox
    for text in [*figure.axes[0].texts, figure._suptitle]:
        box = text.get_window_extent()
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text.get_text()
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()


def test_no_two_captions_touch_however_many_layers_there_are() -> None:
    figure = draw_blocks(describe_layers(build_model("compact", 28), 28), "ten layers")
    figure.canvas.draw()
    captions = [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]
    assert len(captions) == 2 * 11 - 1
    for (one, box), (other, next_box) in combinations(captions, 2):
        assert not box.overlaps(next_box), (one, other)


def test_the_title_counts_the_weights(make_subject) -> None:
    assert (
        draw_architecture(make_subject("lenet5")).get_suptitle()
        == "lenet5: 60,000 trainable parameters"
    )


def test_the_title_counts_the_weights_of_normalization_too(make_subject) -> None:
    subject = make_subject("normalized")
    # 4 kernels of 3×3 without biases, 4 scales and 4 shifts; 4·15·15·10 + 10 in the output
    assert (
        draw_architecture(subject).get_suptitle()
        == "layers: 9,054 trainable parameters, 8 of them in normalization"
    )
