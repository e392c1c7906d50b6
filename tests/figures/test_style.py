from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from lenet.errors import UsageError
from lenet.figures import style


@pytest.mark.parametrize("kind", style.FORMATS)
def test_the_same_figure_saved_twice_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    written = []
    for name in ("first", "second"):
        with style.applied():
            figure = style.new_figure(2, "a title")
            figure.subplots().plot([1, 2, 3], [3, 1, 2])
            style.save(figure, tmp_path / f"{name}.{kind}")
        written.append((tmp_path / f"{name}.{kind}").read_bytes())
    assert written[0] == written[1]
    assert b"202" not in written[0][:400] or kind == "pdf"


def test_a_picture_has_twice_the_pixels_of_a_page(tmp_path: Path) -> None:
    with style.applied():
        style.save(style.new_figure(1), tmp_path / "a.png")
    header = (tmp_path / "a.png").read_bytes()[16:24]
    assert np.frombuffer(header, ">u4").tolist() == [1660, 200]


def test_themes_hold_within_their_block_only() -> None:
    with style.applied("dark"):
        assert style.paper() == "#0d1117"
        with style.applied("light"):
            assert style.paper() == "#ffffff"
        assert style.diverging()(0.5)[:3] == pytest.approx([13 / 255, 17 / 255, 23 / 255], abs=0.01)


def test_an_unknown_theme_or_format_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="no theme 'sepia'; there are light, dark"),
        style.applied("sepia"),
    ):
        pass
    with pytest.raises(UsageError, match="a picture is png, svg, pdf, not gif"):
        style.save(style.new_figure(1), tmp_path / "a.gif")


def test_a_mosaic_puts_each_image_in_its_place_and_masks_the_rest() -> None:
    images = torch.arange(1, 4).view(3, 1, 1).expand(3, 2, 2)
    tiled = style.mosaic(images, columns=2, gap=1)
    assert tiled.shape == (5, 5)
    assert tiled[0].tolist() == [1, 1, None, 2, 2]
    assert tiled[2].tolist() == [None] * 5
    assert tiled[4].tolist() == [3, 3, None, None, None]


def test_a_long_name_is_shortened_in_the_middle_and_what_the_picture_shows_is_kept() -> None:
    assert style.shorten("quickstart/0", 12) == "quickstart/0"
    assert style.shorten("quickstart/10", 12) == "quicks…rt/10"
    assert style.shorten("gap,epochs=2,lr=0.1,size=9", 20) == "gap,…,lr=0.1,size=9"
    assert style.shorten("gap,epochs=2,lr=0.1,size=9", 12) == "gap,…,size=9"
    name = "gap,epochs=2,train_size=20000,validation=5000,batch_size=128,weight_decay=0.001/0"
    title = style.new_figure(1, f"{name}: where MAPS sees a class").get_suptitle()
    assert len(title) <= style.LONGEST_TITLE
    assert title.startswith("gap,…,validation=5000,batch_size=128,weight_decay=0.001/0: where")
    assert title.endswith("where MAPS sees a class")


def test_the_longest_title_lies_within_the_picture() -> None:
    with style.applied():
        figure = style.new_figure(1, f"{'modern,epochs=4,' * 9}: where C3 sees a class")
        figure.canvas.draw()
        box = figure._suptitle.get_window_extent()
    assert box.x1 <= figure.bbox.x1


def test_black_is_black_in_pictures_and_paper_in_digits() -> None:
    image = torch.tensor([[[0.0, 1.0]]])
    with style.applied():
        left, right = style.new_figure(1).subplots(1, 2)
        style.show(left, image, pictures=True)
        style.show(right, image, pictures=False)
        shades = [
            axes.images[0].to_rgba(axes.images[0].get_array())[0, 0, 0] for axes in (left, right)
        ]
        assert shades == [0.0, 1.0]
        assert style.strokes(image, pictures=True).tolist() == [[1.0, 0.0]]  # black on white paper
        assert style.strokes(image, pictures=False).tolist() == [[0.0, 1.0]]
    with style.applied("dark"):
        assert style.strokes(image, pictures=True).tolist() == [[0.0, 1.0]]


def test_tiles_of_colours_keep_them_and_are_white_in_between() -> None:
    images = torch.stack([torch.tensor([red, 0.0, 0.5]).view(3, 1, 1) for red in (0.25, 0.75)])
    tiled = style.tile(images, columns=2, gap=1)
    assert tiled.tolist() == [[[0.25, 1.0, 0.75]], [[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.5]]]


def test_values_that_lie_close_together_are_set_apart_in_lanes() -> None:
    assert style.set_apart([5, 1, 3], 1) == [0, 0, 0]
    assert style.set_apart([7, 7, 7, 9], 2) == [0, 1, -1, 0]
    assert style.set_apart([2, 1, 3], 1.5) == [1, 0, 0]


def test_numbers_of_axes_have_no_exponent() -> None:
    numbers = [style.write_number(value) for value in (10_000, 2.5, 0, 0.00001)]
    assert numbers == ["10,000", "2.5", "0", "0.00001"]


def test_dark_images_lie_on_the_dark_paper() -> None:
    with style.applied("dark"):
        assert to_hex(mpl.colormaps[mpl.rcParams["image.cmap"]](0.0)) == style.paper()


def test_names_in_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    with style.applied():
        style.save(style.new_figure(1, "日本: $x$"), tmp_path / "a.png")  # warnings are errors


def test_a_point_is_named_where_it_covers_no_other() -> None:
    axes = style.new_figure(2).subplots()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    names = ["much in its way", "nothing", "rather to the left"]
    ours = [style.Point(names[0], 40, 50), style.Point(names[1], 50, 50)]
    style.label_points(axes, [*ours, style.Point(names[2], 70, 20, faintly=True)])
    assert [text.get_horizontalalignment() for text in axes.texts] == ["right", "left", "right"]


def test_a_name_stands_upon_its_point_unless_another_name_is_there() -> None:
    axes = style.new_figure(2).subplots()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    points = [style.Point(name, x, 50) for name, x in (("one", 20), ("two", 21), ("three", 80))]
    style.label_points(axes, points, upon=True, fontsize=12)
    assert [text.get_position() for text in axes.texts] == [(0, 0), (7, 0), (0, 0)]
    assert {text.get_fontsize() for text in axes.texts} == {12}
