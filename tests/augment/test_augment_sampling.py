"""Chains of geometry are followed back to the image and looked up once."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lenet.augment.elastic import ElasticTransform
from lenet.augment.geometry import RandomAffine, RandomHorizontalFlip, RandomRotation
from lenet.augment.perspective import RandomPerspective
from lenet.augment.sampling import Field, Geometry, Places, look_up, pixel_places, reflect, warp
from lenet.augment.transform import Parameters
from lenet.rng import generator

A_PIXEL_RIGHT = Field(
    rows=torch.ones(2, 1, dtype=torch.float64),
    columns=torch.ones(2, 1, dtype=torch.float64),
    cores=torch.tensor([[[[1.0]], [[0.0]]]], dtype=torch.float64),
)


def smooth_images(batch: int, size: int = 28) -> torch.Tensor:
    """Blobs without sharp edges, so that interpolating twice does little harm."""
    at = torch.arange(size) - (size - 1) / 2
    x = torch.linspace(-5, 5, batch)
    blob = torch.exp(-((at - x[:, None]) ** 2) / 60)  # (B, W)
    return (blob[:, :, None] * blob[:, None, :]).unsqueeze(1)


def test_a_pixels_place_is_its_centre_seen_from_the_images_centre():
    places = pixel_places((2, 3), torch.float32, torch.device("cpu"))
    torch.testing.assert_close(places[0], torch.tensor([-1.0, 0, 1, -1, 0, 1]))
    torch.testing.assert_close(places[1], torch.tensor([-0.5, -0.5, -0.5, 0.5, 0.5, 0.5]))


def test_looking_up_one_pixel_to_the_right_moves_pixels_to_the_left_and_fills_the_rest():
    image = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    step = torch.eye(3)[None].clone()
    step[0, 0, 2] = 1.0
    places = Places((1, 3), pixel_places((1, 3), torch.float32, image.device), step)
    torch.testing.assert_close(
        look_up(image, places, "bilinear", 0.25), torch.tensor([[[[0.5, 1.0, 0.25]]]])
    )


def test_one_interpolation_agrees_with_one_after_another():
    images = smooth_images(8)
    chain = [
        RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5),
        RandomHorizontalFlip(),
        ElasticTransform(20, 5),
        RandomRotation(10),
    ]
    steps = [(t, t.draw(8, (28, 28), generator(0, "test", i))) for i, t in enumerate(chain)]
    one_by_one = images
    for transform, drawn in steps:
        one_by_one = transform.apply_to(one_by_one, drawn)
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(warp(images, steps)[inner], one_by_one[inner], rtol=0, atol=0.03)


def test_pixels_that_leave_the_frame_come_back():
    images = smooth_images(1)
    there, back = RandomAffine(0), RandomAffine(0)
    still = there.draw(1, (28, 28), generator(0, "test"))
    right = {**still, "shift_px": torch.tensor([[20.0, 0.0]])}
    left = {**still, "shift_px": torch.tensor([[-20.0, 0.0]])}
    torch.testing.assert_close(warp(images, [(there, right), (back, left)]), images)


def test_nothing_drawn_changes_nothing():
    images = torch.rand(4, 1, 28, 28)
    still = RandomRotation(180, p=0)
    drawn = still.draw(4, (28, 28), generator(0, "test"))
    torch.testing.assert_close(still.apply_to(images, drawn), images, rtol=0, atol=1e-5)


def test_perspective_after_a_field_moves_the_displaced_places():
    origin = pixel_places((2, 2), torch.float64, torch.device("cpu"))
    third = torch.eye(3).double()[None].clone()
    third[0, 2, 0] = 0.5  # (x, y) → (x, y) / (1 + x / 2)
    places = (
        Places((2, 2), origin).displace(A_PIXEL_RIGHT).project(third, perspective=True).resolve()
    )
    # x is 0.5 and 1.5 after the field.
    expected = [[0.5 / 1.25, 1.5 / 1.75] * 2, [-0.5 / 1.25, -0.5 / 1.75, 0.5 / 1.25, 0.5 / 1.75]]
    torch.testing.assert_close(places[0], torch.tensor(expected).double())


def test_a_field_after_perspective_is_added_to_where_it_leads():
    origin = pixel_places((2, 2), torch.float64, torch.device("cpu"))
    halved = torch.diag(torch.tensor([1.0, 1, 2])).double()[None]
    halfway = Places((2, 2), origin).project(halved, perspective=True)
    places = halfway.displace(A_PIXEL_RIGHT).resolve()
    expected = [[0.75, 1.25] * 2, [-0.25, -0.25, 0.25, 0.25]]
    torch.testing.assert_close(places[0], torch.tensor(expected).double())


def test_places_beyond_a_field_are_displaced_as_its_border_is():
    origin = pixel_places((1, 4), torch.float64, torch.device("cpu"))
    far = torch.eye(3).double()[None].clone()
    far[0, 0, 2] = 10.0  # ten pixels to the right, where no pixel of the field is
    field = Field(
        torch.ones(1, 1).double(),
        torch.tensor([[0.0], [1], [2], [3]]).double(),
        torch.tensor([[[[1.0]], [[0.0]]]]).double(),
    )
    places = Places((1, 4), origin).project(far).displace(field).resolve()
    torch.testing.assert_close(places[0, 0], origin[0] + 10 + 3)


BILINEAR = InterpolationMode.BILINEAR


def affine(image: Tensor, drawn: Parameters, fill: float | None) -> Tensor:
    degrees, scale = drawn["degrees"].item(), drawn["scale"].item()
    shift, shear = drawn["shift_px"][0].tolist(), drawn["shear"][0].tolist()
    return F.affine(image, degrees, shift, scale, shear, BILINEAR, fill)


def rotation(image: Tensor, drawn: Parameters, fill: float | None) -> Tensor:
    return F.rotate(image, drawn["degrees"].item(), BILINEAR, fill=fill)


def perspective(image: Tensor, drawn: Parameters, fill: float | None) -> Tensor:
    corners = [[0, 0], [27, 0], [27, 27], [0, 27]]
    return F.perspective(image, corners, drawn["corners"][0].int().tolist(), BILINEAR, fill)


def elastic(image: Tensor, drawn: Parameters, fill: float | None) -> Tensor:
    field = ElasticTransform(60, 4).field(drawn, (28, 28)).spread() / 14
    return F.elastic(image, field.permute(0, 2, 3, 1), BILINEAR, fill)


@pytest.mark.parametrize("fill", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    ("make", "theirs"),
    [
        (lambda fill: RandomAffine(30, (0.2, 0.1), (0.7, 1.4), 20, fill=fill), affine),
        (lambda fill: RandomRotation(170, fill=fill), rotation),
        (lambda fill: RandomPerspective(0.6, 1.0, fill=fill), perspective),
        (lambda fill: ElasticTransform(60, 4, fill=fill), elastic),
    ],
    ids=["affine", "rotation", "perspective", "elastic"],
)
def test_torchvision_differs_only_on_the_frames_border_which_it_weighs_twice(
    make: Callable[[float], Geometry],
    theirs: Callable[[Tensor, Parameters, float | None], Tensor],
    fill: float,
) -> None:
    images, ones = (
        torch.rand(16, 1, 28, 28, generator=generator(0, "pictures")),
        torch.ones(1, 28, 28),
    )
    crossing_pixels = 0
    for i, image in enumerate(images):
        drawn = make(fill).draw(1, (28, 28), generator(0, "test", i))
        ours = make(fill).apply_to(image[None], drawn)[0]
        # The part of a pixel's footprint inside the image, and what the image adds from there.
        share, inside = theirs(ones, drawn, None), theirs(image, drawn, None)
        expected = ours - (1 - share) * inside
        torch.testing.assert_close(theirs(image, drawn, fill), expected, rtol=0, atol=1e-4)
        crossing = (share > 1e-4) & (share < 1 - 1e-4)
        difference = (ours - theirs(image, drawn, fill)).abs()
        assert difference[~crossing].max() < 1e-4
        assert difference.max() < 0.25
        crossing_pixels += int(crossing.sum())
        if fill == 0.0:  # without a fill torchvision interpolates no mask
            torch.testing.assert_close(ours, inside, rtol=0, atol=1e-4)
    assert crossing_pixels > 16 * 20


def test_reflection_does_not_repeat_the_ends():
    assert reflect(torch.arange(-4, 7), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert reflect(torch.arange(-2, 3), 1).tolist() == [0, 0, 0, 0, 0]
