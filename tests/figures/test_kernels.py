import numpy as np
import torch

from lenet.figures.filters import draw_filters


def test_c3_shows_sixty_kernels_and_grey_where_the_table_has_none(make_subject) -> None:
    subject = make_subject("lenet5")
    c1, c3 = draw_filters(subject).axes
    assert "C1: 6 kernels of 5×5" in c1.get_title("left")
    assert "C3: 60 kernels of 5×5" in c3.get_title("left")
    shown = c3.images[0].get_array()
    assert shown.shape == (6 * 6 - 1, 16 * 6 - 1)
    seen = ~np.ma.getmaskarray(shown)[::6, ::6]  # the top left pixel of each kernel
    assert seen.sum() == 60
    assert seen[:, 0].tolist() == [True, True, True, False, False, False]
    assert seen[:, 15].all()


def test_kernels_are_the_networks_own(make_subject) -> None:
    subject = make_subject()
    c1, c3 = draw_filters(subject).axes
    weight = subject.classifier.model.c1.weight.detach()
    torch.testing.assert_close(torch.tensor(c1.images[0].get_array()[:5, 6:11]), weight[1, 0])
    weight = subject.classifier.model.c3.weight.detach()
    torch.testing.assert_close(torch.tensor(c3.images[0].get_array()[12:17, 6:11]), weight[1, 2])


def test_a_network_without_convolutions_shows_its_units_on_the_pixels(make_subject) -> None:
    subject = make_subject("linear")
    figure = draw_filters(subject)
    assert "all units of linear 1 on the pixels" in figure.get_suptitle()
    size = subject.classifier.preprocess.size
    shown = figure.axes[0].images[0].get_array()
    weight = subject.classifier.model.layers[1].weight.detach().view(10, size, size)
    torch.testing.assert_close(torch.tensor(shown[:size, :size]), weight[0])
