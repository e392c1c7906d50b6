"""Which pixels of a picture are ink, and how much, on any paper in any light.

In a photograph three things must be separated from the ink: the table around the page, uneven
light, and ruled lines.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lenet.data.pictures import Picture, PictureError
from lenet.reading.light import (
    SMALL,
    Mask,
    Plane,
    enlarge,
    estimate_paper,
    find_axis,
    level_paper,
    orient,
    otsu,
    quantile,
    reduce_blocks,
    walk_rim,
)

Ink = npt.NDArray[np.float32]  # 0 = paper, 1 = full ink

WIDEST = 1.5  # width by height of a small picture that holds one digit
MIN_CONTRAST = 0.07  # of the range from black to white: fainter marks are not ink
TABLE_RIM = 0.6  # of a picture's rim: a table shows around the page
LEAST_PAGE = 0.1  # of the picture
LEAST_PIXELS = 150  # of the coarse picture, on which a page's shape is judged
LARGE_PAGE = 0.45  # of the picture: no stroke fills so much
LONGEST_PAGE = 2.5  # long side by short side of smaller pages: anything longer is a stroke
LEAST_FILL = 0.8  # of the rectangle around a large page; perspective takes 0.1
LEAST_FILL_SMALL = 0.91  # around a smaller page; a bold 0 or 8 with filled holes has up to 0.9
SHARP = 0.5  # of the difference between page and table: the least step at the page's edge
LONGEST_CONTACT = 0.7  # of a side of the picture: a stroke that reaches it
MAIN_PIECE = 0.8  # of the ink, in the largest piece of a picture that one digit fills
STROKES = 0.05, 0.45  # of the picture's longer side: the thickness of its strokes
CLEAR_CUTOUT = 0.5  # the same of a picture cut out around a digit
THINNEST_RULE, THICKEST_RULE = 3, 0.012  # px, or of the picture's height if that is more
FLATTEST_STROKE = 8  # width by height: flatter lines are rules, not parts of digits
SHORTEST_RULE = 0.1, 0.5  # of the picture's width: lines that reach the rim, other lines
EIGHT = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner belong together


def find_ink(picture: Picture) -> Ink:
    """Separate ink from paper under uneven light, whichever of the two is darker.

    Args:
        picture: (H, W, 1 or 3) uint8.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        PictureError: The picture is smaller than 4 × 4 pixels or has one even tone.
    """
    height, width = picture.shape[:2]
    if min(height, width) < 4:
        raise PictureError(f"{width} × {height} pixels are too few for a digit")
    relief = _measure_cutout(picture)
    if relief is None:
        relief = _measure_scene(picture)
    ink: Ink = np.minimum(relief / _ink_level(relief), 1)
    return ink


def find_strokes(picture: Picture) -> Ink:
    """Separate ink from paper in a picture of one line, by one threshold for all of it.

    Printed patterns stay as faint ink; nothing is taken for a table or a ruled line.

    Args:
        picture: (H, W, 1 or 3) uint8.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        PictureError: The picture has one even tone.
    """
    tone = orient(picture)
    relief = np.maximum(tone - estimate_paper(tone), 0)
    _strongest(relief)
    strokes = relief[relief > otsu(relief)]
    ink: Ink = np.minimum(relief / float(np.median(strokes)), 1).astype(np.float32)
    return ink


def _measure_scene(picture: Picture) -> Plane:
    """Measure the relief of a picture that shows more than a digit.

    Raises:
        PictureError: No pixel stands out.
    """
    if min(picture.shape[:2]) < SMALL:  # too small for ruled lines or a table
        tone = orient(picture)  # (H, W), ink above paper
        relief: Plane = np.maximum(tone - estimate_paper(tone), 0)
        return relief
    page = _find_page(picture)
    try:
        return _measure_relief(*page)
    except PictureError:  # what looked like a page is empty
        if page[1].all():
            raise
        return _measure_relief(picture, np.ones(picture.shape[:2], dtype=bool))


def is_cutout(shape: tuple[int, ...]) -> bool:
    """Whether a picture is so small that it was cut out around one digit."""
    height, width = shape[:2]
    return max(height, width) <= SMALL and width <= WIDEST * height


def fills(mask: Mask) -> bool:
    """Whether connected strokes reach from rim to rim, as in a picture cut out around a digit.

    Shadows and tables do not: they run along the rim or are thicker than strokes.
    """
    small = reduce_blocks(mask, SMALL) > 0.5
    pieces, count = ndimage.label(small, EIGHT)
    if count == 0:
        return False
    sizes = np.bincount(pieces.ravel())
    piece = pieces == 1 + sizes[1:].argmax()
    contacts = [float(piece[place].mean()) for place in ((0,), (-1,), (..., 0), (..., -1))]
    spans = min(contacts[:2]) > 0 or min(contacts[2:]) > 0
    if not spans or max(contacts) > LONGEST_CONTACT or piece.sum() < MAIN_PIECE * small.sum():
        return False
    width = 2 * float(ndimage.distance_transform_edt(piece).max())
    return bool(STROKES[0] <= width / max(small.shape) <= STROKES[1])


def _measure_cutout(picture: Picture) -> Plane | None:
    """Measure the relief of a picture that was cut out around a digit; None of other pictures.

    The digit may fill more of it than the paper does. The ink is the tone that has less of the rim
    or, where that is unclear, lies in fewer pieces: strokes hang together and cut the paper up.
    """
    small: Plane = reduce_blocks(picture, SMALL).astype(np.float32) / np.float32(255)  # (h, w, C)
    axis = find_axis(small.reshape(-1, small.shape[2]))
    tone: Plane = (small @ axis).astype(np.float32)
    high = tone > otsu(tone)
    if is_cutout(picture.shape):
        sides = [high, ~high]
    else:
        sides = [side for side in (high, ~high) if fills(side)]
        if not sides:
            return None
    lead = 2 * float(walk_rim(high).mean()) - 1
    if abs(lead) < CLEAR_CUTOUT:
        pieces = [ndimage.label(side, EIGHT)[1] for side in (high, ~high)]
        lead += float(np.log((pieces[0] + 0.5) / (pieces[1] + 0.5)))
    ink_is_high = lead <= 0 if len(sides) == 2 else sides[0] is high
    sign = np.float32(1 if ink_is_high else -1)
    paper = level_paper(sign * tone, high != ink_is_high)
    relief: Plane = np.maximum(
        sign * (picture @ (axis / 255)) - enlarge(paper, picture.shape[:2]), 0
    )
    return relief


def _measure_relief(picture: Picture, page: Mask) -> Plane:
    """How far each pixel of a page stands out from the paper, without ruled lines.

    Raises:
        PictureError: No pixel does.
    """
    tone = orient(picture)
    relief = np.maximum(tone - estimate_paper(tone), 0)
    on_page: Plane = np.where(page, _drop_rules(relief), 0)
    return on_page


def _find_page(picture: Picture) -> tuple[Picture, Mask]:
    """Separate a page from the table, if the table shows around it.

    Returns:
        The picture with the page's own tone laid over the table, and (H, W) where the page is.
    """
    small = reduce_blocks(picture, SMALL).astype(np.float32)  # (h, w, C)
    colours = small.reshape(-1, small.shape[2])
    centred = colours - colours.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    tone = (centred @ axis).reshape(small.shape[:2])
    high = tone > otsu(tone)
    rim = np.concatenate([high[0], high[-1], high[:, 0], high[:, -1]]).mean()
    page = high if rim < 0.5 else ~high
    everywhere = np.ones(picture.shape[:2], dtype=bool)
    if max(rim, 1 - rim) < TABLE_RIM:  # a shadow cuts the picture in two; a table is all around
        return picture, everywhere
    pieces, _ = ndimage.label(page)
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel(), minlength=2)[1:])
    page = ndimage.binary_fill_holes(largest)
    if not _is_sheet(page) or not _has_sharp_edge(page, tone):
        return picture, everywhere
    page = ndimage.binary_erosion(page, EIGHT, border_value=1)
    rows = np.arange(picture.shape[0]) * page.shape[0] // picture.shape[0]
    columns = np.arange(picture.shape[1]) * page.shape[1] // picture.shape[1]
    mask = page[np.ix_(rows, columns)]
    nearest = ndimage.distance_transform_edt(
        ~page, return_distances=False, return_indices=True
    )  # (2, h, w): the page's pixel that is closest
    surround = small[tuple(nearest)][np.ix_(rows, columns)]
    return np.where(mask[..., None], picture, surround.astype(np.uint8)), mask


def _is_sheet(piece: Mask) -> bool:
    """Whether a piece of a picture fills a rectangle at any angle, as no digit does."""
    if piece.mean() < LEAST_PAGE or piece.sum() < LEAST_PIXELS:
        return False
    y, x = np.nonzero(piece & ~ndimage.binary_erosion(piece))
    angles = np.radians(np.arange(0, 90, 3))[:, None]
    across, along = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    sides = np.stack([np.ptp(across, axis=1), np.ptp(along, axis=1)]) + 1  # (2, angles)
    short, long = np.sort(sides[:, sides.prod(axis=0).argmin()])
    if piece.mean() >= LARGE_PAGE:
        return bool(piece.sum() >= LEAST_FILL * short * long)
    return bool(long <= LONGEST_PAGE * short and piece.sum() >= LEAST_FILL_SMALL * short * long)


def _has_sharp_edge(page: Mask, tone: Plane) -> bool:
    """Whether the tone changes at a page's edge and not, as in a vignette, on the way to it."""
    inside = page & ~ndimage.binary_erosion(page, EIGHT, iterations=2, border_value=1)
    outside = ndimage.binary_dilation(page, EIGHT, iterations=2) & ~page
    step = abs(float(np.median(tone[inside]) - np.median(tone[outside])))
    return step >= SHARP * abs(float(np.median(tone[page]) - np.median(tone[~page])))


def _drop_rules(relief: Plane) -> npt.NDArray[np.float32]:
    """Erase the lines of ruled or squared paper: thin, and far longer than strokes that thin."""
    mask = relief > 0.25 * _strongest(relief)
    rules = _find_rules(mask) | _find_rules(mask.T).T
    if not rules.any():
        return relief
    wider = ndimage.binary_dilation(rules, EIGHT)  # the line's soft edge
    crossing = ndimage.binary_dilation(mask & ~wider, EIGHT)
    on_rule = relief > 1.5 * np.median(relief[rules])  # a foot that stands on the line
    return np.where(wider & ~crossing & ~on_rule, 0, relief)


def _find_rules(mask: Mask) -> Mask:
    """Find pixels of thin lines that run across `mask`, most of them from rim to rim."""
    height, width = mask.shape
    runs, _ = ndimage.label(mask, structure=[[0, 1, 0], [0, 1, 0], [0, 1, 0]])
    lengths = np.bincount(runs.ravel())
    lengths[0] = 0
    thin = mask & (lengths[runs] <= max(THINNEST_RULE, round(THICKEST_RULE * height)))
    pieces, count = ndimage.label(thin, EIGHT)
    if count == 0:
        return np.zeros_like(mask)
    at_rim, inside = np.zeros((2, count + 1), dtype=bool)
    for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        if wide > FLATTEST_STROKE * tall:
            touches = columns.start <= 2 or columns.stop >= width - 2
            at_rim[number] = touches and wide > SHORTEST_RULE[0] * width
            inside[number] = not touches and wide > SHORTEST_RULE[1] * width
    is_rule = at_rim | inside
    if is_rule.sum() < 2 and not at_rim.any():  # a single one may be a 1, or the bar of a 7
        return np.zeros_like(mask)
    rules: Mask = is_rule[pieces]
    return rules


def _strongest(relief: Plane) -> float:
    """Return the relief of the strongest mark that is more than a speck.

    Raises:
        PictureError: It is below `MIN_CONTRAST` or not above the paper's noise.
    """
    if min(relief.shape) < SMALL:
        strongest, grain = float(relief.max()), 0.0
    else:
        smooth = ndimage.uniform_filter(relief, 3)
        strongest = float(smooth.max())
        grain = float(np.median(np.abs(relief - smooth)))  # the paper's, as most pixels are paper
    if strongest < max(MIN_CONTRAST, 5 * grain):
        raise PictureError("no ink: the picture is one even tone")
    return strongest


def _ink_level(relief: Plane) -> float:
    """Return the relief of full ink, ignoring marks at the rim (table, fingers, shadow).

    Raises:
        PictureError: No mark stands out from the paper.
    """
    strongest = _strongest(relief)
    marks, count = ndimage.label(relief > 0.35 * strongest, EIGHT)
    sizes = np.bincount(marks.ravel(), minlength=count + 1)
    inner = np.ones(count + 1, dtype=bool)
    inner[np.concatenate([marks[0], marks[-1], marks[:, 0], marks[:, -1]])] = False
    inner[0] = False
    inner &= sizes >= 0.0005 * relief.size
    mask = inner[marks] if inner.any() else marks > 0
    return quantile(relief[mask], 0.9)
