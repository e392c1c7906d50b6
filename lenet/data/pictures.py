"""Picture files from untrusted sources.

A picture becomes an array (H, W, C) uint8 with C = 1 (grey) or 3 (RGB): rotated by its EXIF tag,
composited on plain paper where it is transparent, reduced to a working size. Any problem with a
file raises a `PictureError` whose text is one sentence for the user.
"""

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from lenet.errors import RunError, UsageError, check_plain

Picture = npt.NDArray[np.uint8]  # (H, W, 1 or 3)

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
MAX_PIXELS = 89_478_485  # above this Pillow warns of a decompression bomb
MAX_BYTES = 512 * 1024**2
STDIN = Path("-")
GLOB_SIGNS = "*?["


class PictureError(RunError):
    """One picture cannot be read; the others still can."""


@contextmanager
def guarded_decoding() -> Iterator[None]:
    """Make suspiciously large pictures raise an error instead of a warning.

    Warning filters are global, so enter this once around a batch and not in each worker thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def list_pictures(names: list[str]) -> list[Path]:
    """Expand folders and globs to picture files, in a stable order; ``-`` is standard input.

    A file named explicitly is kept whatever its suffix; folders give their files with a known
    suffix, without subfolders. A folder without pictures and a glob without matches stay in the
    list, so that reading them reports the problem while the others are still read.

    Raises:
        UsageError: `names` is empty.
    """
    if not names:
        raise UsageError("name at least one picture, folder or glob, or - for standard input")
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path == STDIN or path.is_file():
            found.append(path)
        elif path.is_dir():
            inside = (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            found += sorted(inside) or [path]
        elif any(sign in name for sign in GLOB_SIGNS):
            anchor = Path(path.anchor)
            matches = sorted(p for p in anchor.glob(str(path.relative_to(anchor))) if p.is_file())
            found += matches or [path]
        else:
            found.append(path)
    return found


def read_picture(path: Path, longest_side: int) -> Picture:
    """Read a picture file; see `read_scaled`."""
    return read_scaled(path, longest_side)[0]


def read_scaled(path: Path, longest_side: int) -> tuple[Picture, float]:
    """Read a picture file, reduced so that neither side exceeds `longest_side` pixels.

    Args:
        path: The file; ``Path("-")`` reads standard input.
        longest_side: In pixels, ≥ 1. Smaller pictures keep their size.

    Returns:
        (H, W, 1 or 3) uint8, upright, without transparency; and the scale: the file's pixels per
        returned pixel. 16-bit and floating-point pictures are stretched from their darkest to
        their lightest pixel.

    Raises:
        PictureError: The file is missing, not of a known format, damaged, animated, or has more
            than `MAX_PIXELS` pixels.
    """
    if path == STDIN:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise PictureError(f"more than {MAX_BYTES // 1024**2} MiB on standard input")
        return decode_scaled(io.BytesIO(data), longest_side)
    try:
        check_plain(path)
        with path.open("rb") as file:
            return decode_scaled(file, longest_side)
    except FileNotFoundError:
        is_glob = any(sign in path.name for sign in GLOB_SIGNS)
        raise PictureError("no file matches" if is_glob else "no such file") from None
    except IsADirectoryError:
        raise PictureError(f"the folder holds no picture ({', '.join(FORMATS)})") from None
    except OSError as error:
        raise PictureError(f"cannot be opened: {error.strerror}") from error


def decode_scaled(file: IO[bytes], longest_side: int) -> tuple[Picture, float]:
    """Decode an open picture file; see `read_scaled`."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            # A phone's MPO is a JPEG that carries a preview or depth map behind the photo.
            if frames > 1 and image.format != "MPO":
                raise PictureError(f"has {frames} frames; give a single picture")
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            longest = max(image.size)
            image.draft("RGB", (longest_side, longest_side))  # JPEG: decodes at 1/2, 1/4 or 1/8
            picture = reduce_image(image, longest_side)
            return picture, longest / max(picture.shape[:2])
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"not a picture that can be read ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"more than {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except Exception as error:  # decoders raise anything on damaged files, even MemoryError
        raise PictureError(f"damaged picture ({error})") from error


def fit_picture(picture: Picture, size: int, channels: int) -> npt.NDArray[np.uint8]:
    """Bring a picture to the size and the channels of a network's images.

    Args:
        picture: (H, W, 1 or 3) uint8.
        size: Width and height in pixels; the picture is stretched to it.
        channels: 1 or 3.

    Returns:
        uint8 (channels, size, size).
    """
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        # Bilinear over as many pixels as fall on one, as torchvision's Resize does.
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    values = np.asarray(image)
    return values[None] if channels == 1 else np.ascontiguousarray(values.transpose(2, 0, 1))


def working_side(size: int) -> int:
    """Return the longest side at which pictures are decoded for images of `size` pixels."""
    return 8 * size


def reduce_array(array: npt.NDArray[Any], longest_side: int) -> Picture:
    """Reduce an array as `read_scaled` reduces a file.

    Args:
        array: (H, W) or (H, W, 1 or 3 or 4), uint8 or float in [0, 1]; four channels are RGBA.
        longest_side: In pixels, ≥ 1.

    Raises:
        PictureError: The array has another shape or type.
    """
    shaped = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    flat, colour = shaped.ndim == 2, shaped.ndim == 3 and shaped.shape[2] in (3, 4)
    if np.issubdtype(shaped.dtype, np.floating) and np.all((shaped >= 0) & (shaped <= 1)):
        shaped = np.rint(shaped * 255).astype(np.uint8)
    if shaped.dtype != np.uint8 or not (flat or colour) or not shaped.size:
        shape = " × ".join(map(str, array.shape)) or "no"
        raise PictureError(
            f"{shape} values of type {array.dtype}; expected (H, W) or (H, W, 3), bytes or 0 to 1"
        )
    return reduce_image(Image.fromarray(shaped), longest_side)


def reduce_image(image: Image.Image, longest_side: int) -> Picture:
    """Rotate a picture upright, composite it on plain paper and reduce it; see `read_scaled`."""
    return _flatten(ImageOps.exif_transpose(_shrink(image, longest_side)))


def _shrink(image: Image.Image, longest_side: int) -> Image.Image:
    """Convert to L, LA, RGB or RGBA and reduce to `longest_side`; keeps the EXIF tags."""
    exif = image.getexif()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _stretch(image)
    elif image.mode in ("1", "L", "LA"):
        image = image.convert("LA" if "transparency" in image.info else image.mode)
        image = image.convert("L") if image.mode == "1" else image
    elif image.mode != "RGB" or "transparency" in image.info:
        see_through = "transparency" in image.info or image.mode in ("RGBA", "PA", "La", "RGBa")
        image = image.convert("RGBA" if see_through else "RGB")
    scale = max(image.size) / longest_side
    if scale > 1:
        size = max(1, round(image.width / scale)), max(1, round(image.height / scale))
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)
    if exif:
        image.info["exif"] = exif.tobytes()
    return image


def _stretch(image: Image.Image) -> Image.Image:
    """Map a picture of more than 8 bits from its own range to 0..255."""
    values = np.array(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise PictureError("damaged picture (pixels that are not numbers)")
    values -= low  # in place: a copy of the largest pictures has 360 MB
    values *= 255 / max(high - low, 1e-9)
    return Image.fromarray(values.astype(np.uint8))


def _flatten(image: Image.Image) -> Picture:
    """Composite a transparent picture on white, or on black if its strokes are light."""
    values = np.asarray(image)  # (H, W) or (H, W, 2 | 3 | 4)
    if values.ndim == 2:
        return values[:, :, None]
    if values.shape[2] == 3:
        return values
    colour, cover = values[..., :-1].astype(np.float32), values[..., -1:].astype(np.float32) / 255
    covered = float(cover.mean())
    light = float((colour * cover).mean()) > 0.5 * 255 * covered
    # Mostly transparent and light: white strokes on nothing, as drawing programs export them.
    backdrop = 0.0 if light and covered < 0.5 else 255.0
    return np.rint(colour * cover + backdrop * (1 - cover)).astype(np.uint8)
