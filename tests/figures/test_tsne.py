import torch

from lenet.figures.tsne import embed, neighbour_affinities


def test_affinities_are_a_symmetric_distribution_of_the_wanted_width() -> None:
    points = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    joint = neighbour_affinities(points, perplexity=8.0)
    torch.testing.assert_close(joint, joint.T)
    torch.testing.assert_close(joint.sum(), torch.tensor(1.0))
    assert joint.diagonal().tolist() == [0.0] * 40


def test_clusters_stay_apart_and_the_picture_repeats() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = 20 * torch.randn(3, 10, generator=draw)
    labels = torch.arange(3).repeat_interleave(30)
    points = centres[labels] + torch.randn(90, 10, generator=draw)
    placed = embed(points, perplexity=10, steps=200)
    assert torch.equal(placed, embed(points, perplexity=10, steps=200))
    distances = torch.cdist(placed, placed).fill_diagonal_(torch.inf)
    assert (labels[distances.argmin(1)] == labels).all()


def test_clusters_stay_apart_of_few_points() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = 20 * torch.randn(3, 10, generator=draw)
    labels = torch.arange(3).repeat_interleave(8)
    placed = embed(centres[labels] + torch.randn(24, 10, generator=draw))
    distances = torch.cdist(placed, placed).fill_diagonal_(torch.inf)
    assert (labels[distances.argmin(1)] == labels).all()
