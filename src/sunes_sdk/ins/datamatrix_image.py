"""The symbol of a datamatrix INS: drawn as PNG or SVG, found in a picture. Needs the extra `datamatrix`.

ISO/IEC 16022 ECC 200, square, with its quiet zone and the caption « INS à scanner » (ANS, *INS – Format datamatrix*
v2.2, as reported). zxing-cpp makes and reads the modules; Pillow writes and opens the files.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core import xml
from .._core.errors import ConfigurationError, InsError, ModelError
from .._core.findings import Report
from ..model import Environment, Identity
from .datamatrix import HEADER, ScannedIdentity, decode, encode, finding

if TYPE_CHECKING:
    from PIL import Image

CAPTION = "INS à scanner"
"""Printed under the symbol; that it stands under rather than over it is this library's choice."""
QUIET_ZONE = 2
"""Modules left white on each side; the standard asks for one at least."""
MODULE_MM = 0.5
"""Side of a module on paper. This library's choice: 22 mm for most people, read by hand-held scanners."""
MAX_FILE_BYTES = 20_000_000
MAX_PIXELS = 40_000_000
"""An A4 page scanned at 600 dpi has 35 million."""
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")

_BAND = 0.16
"""Height of the caption, as a part of the width."""
_RUN = re.compile("1+")
# What Pillow raises on files that are cut, forged or of another kind.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A symbol to print. modules: one string a row, `1` black and `0` white, without quiet zone."""

    modules: tuple[str, ...] = field(repr=False)

    def svg(self, *, module_mm: float = MODULE_MM) -> str:
        """One SVG image with its size in millimetres, to be put in a page.

        Raises ModelError `INS_DM_SCALE` outside 0.1 to 10 mm a module.
        """
        _check_scale("module_mm", module_mm, 0.1, 10)
        side = len(self.modules) + 2 * QUIET_ZONE
        height = side * (1 + _BAND)
        dark = "".join(
            f"M{run.start() + QUIET_ZONE} {y}h{len(run.group())}v1h-{len(run.group())}z"
            for y, row in enumerate(self.modules, QUIET_ZONE)
            for run in _RUN.finditer(row)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{side * module_mm:g}mm" '
            f'height="{height * module_mm:g}mm" viewBox="0 0 {side} {height:g}">'
            '<rect width="100%" height="100%" fill="#fff"/>'
            f'<path d="{dark}" shape-rendering="crispEdges"/>'
            f'<text x="{side / 2:g}" y="{side * (1 + _BAND * 0.6):g}" font-size="{side * _BAND * 0.75:g}" '
            f'font-family="sans-serif" text-anchor="middle">{xml.escape_text(CAPTION)}</text></svg>'
        )

    def png(self, *, module_pixels: int = 8) -> bytes:
        """A PNG file in grey levels that says its size on paper (`MODULE_MM` a module).

        Raises ModelError `INS_DM_SCALE` outside 1 to 100 pixels a module.
        """
        _check_scale("module_pixels", module_pixels, 1, 100)
        _, image_class = _libraries()
        size = len(self.modules)
        pixels = bytes(0 if module == "1" else 255 for row in self.modules for module in row)
        dark = image_class.frombytes("L", (size, size), pixels)
        side = (size + 2 * QUIET_ZONE) * module_pixels
        picture = image_class.new("L", (side, round(side * (1 + _BAND))), 255)
        picture.paste(
            dark.resize((size * module_pixels,) * 2, image_class.Resampling.NEAREST), (QUIET_ZONE * module_pixels,) * 2
        )
        _write_caption(picture, side)
        out = io.BytesIO()
        picture.save(out, "PNG", dpi=(25.4 * module_pixels / MODULE_MM,) * 2)
        return out.getvalue()


def draw(identity: Identity, environment: Environment, *, test_people: Collection[str] = frozenset()) -> Symbol:
    """The symbol of a qualified identity. Raises what `datamatrix.encode` raises, and ConfigurationError
    `EXTRA_MISSING`."""
    return symbol_of(encode(identity, environment, test_people=test_people))


def symbol_of(message: bytes) -> Symbol:
    """The modules that hold these bytes."""
    zxing, _ = _libraries()
    drawn = zxing.create_barcode(message, zxing.BarcodeFormat.DataMatrix, force_square=True)
    grid: Any = memoryview(zxing.write_barcode_to_image(drawn, scale=1, add_quiet_zones=False))
    return Symbol(modules=tuple("".join("0" if cell else "1" for cell in row) for row in grid.tolist()))


def read(picture: bytes) -> ScannedIdentity:
    """The datamatrix INS in a picture file (PNG, JPEG, TIFF, BMP; of several pages, the first one).

    Raises InsError: `INS_DM_PICTURE_SIZE` (20 MB, 40 million pixels), `INS_DM_PICTURE` (no picture that can be opened),
    `INS_DM_NOT_FOUND`, `INS_DM_SEVERAL` (two different symbols: whose?), and what `datamatrix.decode` raises.
    ConfigurationError `EXTRA_MISSING`.
    """
    zxing, _ = _libraries()
    symbols = {s.bytes for s in zxing.read_barcodes(_opened(picture), zxing.BarcodeFormat.DataMatrix)}
    ours = [s for s in symbols if s.startswith(HEADER[:2].encode())]
    if len(ours) != 1:
        raise _refused("SEVERAL" if ours else "NOT_FOUND")
    return decode(ours[0])


def _opened(picture: bytes) -> Image.Image:
    """The picture in grey levels, what is transparent being white."""
    if len(picture) > MAX_FILE_BYTES:
        raise _refused("PICTURE_SIZE")
    _, image_class = _libraries()
    try:
        with image_class.open(io.BytesIO(picture), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _refused("PICTURE_SIZE")
            if image.has_transparency_data:
                seen = image_class.new("RGBA", image.size, "white")
                seen.alpha_composite(image.convert("RGBA"))
            else:
                seen = image
            grey: Image.Image = seen.convert("L")
            return grey
    except (image_class.DecompressionBombError, image_class.DecompressionBombWarning):
        raise _refused("PICTURE_SIZE") from None
    except InsError:
        raise
    except _UNREADABLE:
        raise _refused("PICTURE") from None


def _check_scale(path: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ModelError(
            f"a module is drawn {least:g} to {most:g} wide", code="INS_DM_SCALE", path=path, rule="printable symbols",
            hint="keep the default, then scale for the printer in whole dots",
        )  # fmt: skip


def _write_caption(picture: Image.Image, side: int) -> None:
    from PIL import ImageDraw, ImageFont

    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=side * _BAND * 0.75)
    # The font that Pillow carries has no accented letter: the accent is set over the bare one.
    before, bare = CAPTION.split("à")[0], CAPTION.replace("à", "a")
    left, baseline = (side - pen.textlength(bare, font)) / 2, side * (1 + _BAND * 0.6)
    pen.text((left, baseline), bare, font=font, anchor="ls", fill=0)
    middle = left + pen.textlength(before, font) + pen.textlength("a", font) / 2
    pen.text((middle, baseline), "`", font=font, anchor="ms", fill=0)


def _libraries() -> tuple[Any, Any]:
    """zxing-cpp and Pillow, loaded when a picture is first drawn or read."""
    try:
        import zxingcpp
        from PIL import Image
    except ImportError as e:
        raise ConfigurationError(
            f"pictures of a datamatrix need {e.name}", code="EXTRA_MISSING", path="ins.datamatrix_image",
            hint="pip install 'sunes-sdk[datamatrix]'",
        ) from None  # fmt: skip
    return zxingcpp, Image


def _refused(code: str) -> InsError:
    return InsError.from_report(Report((finding(code, "picture"),)))
