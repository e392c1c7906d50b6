from dataclasses import replace

import pytest
import torch
from torch import nn

from lenet.errors import with_article
from lenet.figures.cam import activation_maps, draw_cam, draw_scene, lay_out
from lenet.figures.subject import UnfitError


class GlobalAverage(nn.Module):
    """Three maps, their means, ten weighted sums of those."""

    outputs = "logits"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.output = nn.Linear(3, 10)

    def forward(self, x):
        return self.output(self.mean(self.conv(x)).flatten(1))


def test_with_global_averages_they_are_the_class_activation_maps() -> None:
    model, inputs = GlobalAverage(), torch.randn(2, 1, 8, 8)
    found = activation_maps(model, inputs, [4, 9])
    assert found.layer.name == "conv"
    assert found.step == 1
    states = model.conv(inputs).detach()  # (2, 3, 6, 6)
    weighted = torch.einsum("ck,bkhw->cbhw", model.output.weight.detach()[[4, 9]], states)
    torch.testing.assert_close(found.values, weighted / 36)


def test_for_penalties_small_outputs_speak_for_a_class(make_subject) -> None:
    model = make_subject("lenet5").classifier.model
    inputs = torch.randn(1, 1, 32, 32)
    found = activation_maps(model, inputs, [7])
    assert found.layer.name == "c3"
    states = found.layer.state.detach().requires_grad_()
    penalties = nn.Sequential(*list(model)[6:])(states)  # from S4's subsampling on
    (gradient,) = torch.autograd.grad(-penalties[0, 7], states)
    speaks = (gradient.mean((2, 3), keepdim=True) * states).sum(1).detach()
    torch.testing.assert_close(found.values[0], speaks)


def test_a_network_without_places_is_told_which_figure_fits(make_subject) -> None:
    with pytest.raises(UnfitError, match=r"mlp has no convolution.*the figure `filters`"):
        draw_cam(make_subject("mlp"))


def test_the_hardest_images_come_first_with_their_two_likeliest_classes(make_subject) -> None:
    subject = make_subject()
    grid = draw_cam(subject).axes
    best = subject.probabilities.topk(2, 1)
    hardest = int((best.values[:, 0] - best.values[:, 1]).argmin())
    titles = [grid[row * 6].get_title() for row in range(3)]
    first, second = best.indices[hardest].tolist()
    assert titles[0] == with_article(str(int(subject.test.labels[hardest])))
    assert titles[1].startswith(f"said: {first}, ") and titles[2].startswith(f"{second}, ")


def test_one_image_is_shown_with_the_classes_asked_for(make_subject) -> None:
    figure = draw_cam(make_subject(image=3, classes=(4, 9)))
    titles = [axes.get_title().removeprefix("said: ") for axes in figure.axes[1:]]
    assert [title.partition(",")[0] for title in titles] == ["4", "9"]


def test_the_prediction_alone_is_marked_among_all_classes(make_subject) -> None:
    subject = make_subject(image=3)
    cells = draw_cam(subject).axes[1:11]
    titles = [axes.get_title() for axes in cells]
    assert [t.removeprefix("said: ").partition(",")[0] for t in titles] == [*"0123456789"]
    framed = [k for k, axes in enumerate(cells) if axes.spines["top"].get_visible()]
    assert framed == [int(subject.predictions[3])]
    assert [k for k, title in enumerate(titles) if title.startswith("said")] == framed


def test_a_map_is_paper_where_nothing_speaks_and_blue_where_the_class_is_seen() -> None:
    seen = torch.zeros(4, 4)
    seen[3, 3] = 2.0
    laid = lay_out(torch.zeros(4, 4), seen, 1, full=2)
    assert laid.shape == (4, 4, 3)
    torch.testing.assert_close(laid[1, 1], torch.ones(3), atol=0.01, rtol=0)
    assert laid[3, 3, 2] > laid[3, 3, 0] + 0.5


@pytest.mark.parametrize("at", [(10, 10), (16, 20), (22, 12)])
def test_a_dot_is_seen_where_it_is(make_subject, at: tuple[int, int]) -> None:
    model = make_subject("lenet5").classifier.model
    with torch.no_grad():  # each layer hands on what it sees in the middle of its field
        for layer in (model.c1, model.c3):
            layer.weight.zero_()
            layer.weight[..., 2, 2] = 1
            layer.bias.zero_()
    picture = torch.zeros(32, 32)
    picture[at[0] - 1 : at[0] + 1, at[1] - 1 : at[1] + 1] = 0.1
    found = activation_maps(model, picture[None, None], [0])
    assert found.step == 2
    state = found.layer.state[0, 0].detach().abs()  # 10×10
    laid = lay_out(torch.zeros(32, 32), state, found.step, float(state.max()))
    rows, columns = (laid[..., 2] - laid[..., 0] > 0.3).nonzero().unbind(1)
    for places, middle in ((rows, at[0] - 0.5), (columns, at[1] - 0.5)):
        assert abs(float(places.float().mean()) - middle) < 0.6


def test_the_rim_that_no_position_looks_at_stays_blank() -> None:
    mixed = lay_out(torch.zeros(32, 32), torch.ones(10, 10), 2, full=1)  # C3 of LeNet-5
    blue = mixed[16, :, 2] - mixed[16, :, 0] > 0.1
    assert blue.nonzero().flatten().tolist() == list(range(6, 26))


def test_a_scene_needs_global_averages(make_subject) -> None:
    subject = make_subject()
    subject.test.labels[:2] = torch.tensor([4, 7])
    with pytest.raises(UnfitError, match=r"lenet5-modern does not end in global.*figure `maps`"):
        draw_scene(subject)


def test_a_scene_names_the_class_that_the_test_images_lack(make_subject) -> None:
    subject = make_subject("average")
    kept = (subject.test.labels != 8).nonzero()[:, 0]
    few = replace(subject, test=subject.test.take(kept), classes=(8, 2))
    with pytest.raises(UnfitError, match="there is no test image of an 8"):
        draw_scene(few)


def test_a_scene_shows_two_digits_side_by_side_and_a_map_of_each(make_subject) -> None:
    subject = make_subject("average")
    subject.test.labels[:2] = torch.tensor([9, 2])
    whole, nine, two = draw_scene(replace(subject, classes=(9, 2))).axes
    size = subject.classifier.preprocess.size
    assert whole.images[0].get_array().shape == (size, 2 * size)
    assert nine.images[0].get_array().shape == (size, 2 * size, 3)
    assert (nine.get_title(), two.get_title()) == ("where a 9 is", "where a 2 is")
