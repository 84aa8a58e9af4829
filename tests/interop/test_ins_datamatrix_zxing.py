"""Symbols read by what we did not write: zxing-cpp for every text, libdmtx (`dmtxread`) and a browser's rendering."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageFilter

from sunes_sdk.errors import InsError
from sunes_sdk.ins import datamatrix, datamatrix_image
from sunes_sdk.ins.datamatrix_image import MAX_FILE_BYTES, QUIET_ZONE, Symbol, draw, symbol_of
from sunes_sdk.model import PUBLISHED_TEST_PEOPLE, Environment, Identity, IdentityStatus, Ins, InsOid
from sunes_sdk.testing import samples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IDENTITY = samples.patient().identity


def qualified(oid: InsOid = InsOid.NIR_TEST, **traits: Any) -> Identity:
    ins = Ins.of("279035121518989", oid)
    return Identity(traits=samples.traits().model_copy(update=traits), status=IdentityStatus.QUALIFIEE, ins=ins)


def long_name(length: int) -> str:
    return ("ANNE-L'A " * 12)[: length - 1] + "Z"


IDENTITIES = [
    IDENTITY,
    qualified(InsOid.NIR),
    qualified(birth_place="99999"),
    *(qualified(oid, birth_name=long_name(n)) for oid in (InsOid.NIR, InsOid.NIR_DEMO) for n in (2, 19, 20, 99, 100)),
    qualified(birth_name=long_name(100), birth_given_names="DOMINIQUE " + long_name(90)),
]


def drawn(identity: Identity) -> Symbol:
    return draw(identity, Environment.FAKE, test_people=PUBLISHED_TEST_PEOPLE)


def text_of(identity: Identity) -> bytes:
    return datamatrix.encode(identity, Environment.FAKE, test_people=PUBLISHED_TEST_PEOPLE)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("L")


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("identity", IDENTITIES)
def test_zxing_reads_the_very_bytes(identity: Identity) -> None:
    message = text_of(identity)
    png = drawn(identity).png(module_pixels=3)
    (symbol,) = zxingcpp.read_barcodes(opened(png))
    assert symbol.format == zxingcpp.BarcodeFormat.DataMatrix
    assert symbol.symbology_identifier == "]d1"  # ECC 200, neither GS1 nor ECI
    assert symbol.bytes == message
    assert datamatrix_image.read(png) == datamatrix.decode(message)


def test_every_published_text_that_is_right_goes_through_a_picture(vectors: Path) -> None:
    data = json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))["datamatrix"]
    for v in data:
        png = symbol_of(bytes.fromhex(v["payload_hex"])).png(module_pixels=2)
        if v["valid"]:
            assert datamatrix_image.read(png) == datamatrix.decode(v["payload"]), v["id"]
        else:
            with pytest.raises(InsError, match="INS_DM_"):
                datamatrix_image.read(png)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_the_symbol_is_square_with_a_white_margin(identity: Identity) -> None:
    symbol = drawn(identity)
    assert {len(row) for row in symbol.modules} == {len(symbol.modules)}
    assert set(symbol.modules[-1]) == {row[0] for row in symbol.modules} == {"1"}  # the solid L of the finder
    picture = opened(symbol.png(module_pixels=5))
    side = (len(symbol.modules) + 2 * QUIET_ZONE) * 5
    assert picture.width == side
    margin = QUIET_ZONE * 5
    assert picture.crop((margin, margin, side - margin, side - margin)).getextrema() == (0, 255)
    for box in (
        (0, 0, side, margin),
        (0, 0, margin, side),
        (side - margin, 0, side, side),
        (0, side - margin, side, side),
    ):
        assert picture.crop(box).getextrema() == (255, 255)
    assert picture.crop((0, side, side, picture.height)).getextrema()[0] == 0  # the caption


@pytest.mark.skipif(not shutil.which("dmtxread"), reason="dmtxread (Debian's dmtx-utils) is not installed")
@pytest.mark.parametrize("identity", IDENTITIES)
def test_libdmtx_reads_the_very_bytes(identity: Identity, tmp_path: Path) -> None:
    file = tmp_path / "symbol.png"
    file.write_bytes(drawn(identity).png())
    done = subprocess.run(["dmtxread", "-N1", "-m5000", file], capture_output=True, check=True, timeout=30)
    # Debian's 0.7.6 writes the page number before the message, asked or not.
    assert done.stdout.removeprefix(b"01\n") == text_of(identity)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_svg_as_a_symbol_that_reads(tmp_path: Path) -> None:
    page, shot = tmp_path / "label.html", tmp_path / "label.png"
    page.write_text(f"<meta charset=utf-8><body style='margin:20px'>{drawn(IDENTITY).svg()}")
    subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=400,400",
         "--force-device-scale-factor=2", f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}",
         page.as_uri()],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert datamatrix_image.read(shot.read_bytes()).claimed == samples.ins()


# -- pictures as cameras and scanners make them


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_kinds_of_files(kind: str) -> None:
    picture = opened(drawn(IDENTITY).png())
    assert datamatrix_image.read(saved(picture, kind)).claimed == samples.ins()


def test_turned_blurred_small_on_a_page_inverted_and_transparent() -> None:
    symbol = opened(drawn(IDENTITY).png())
    page = Image.new("L", (1600, 2200), 255)
    page.paste(symbol, (900, 1500))
    transparent = Image.new("RGBA", symbol.size)
    transparent.paste((0, 0, 0, 255), mask=symbol.point(lambda grey: 255 - grey))
    for picture in (
        symbol.rotate(90, expand=True),
        symbol.rotate(20, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC),
        symbol.filter(ImageFilter.GaussianBlur(2)),
        page,
        symbol.point(lambda grey: 255 - grey),
        transparent,
    ):
        assert datamatrix_image.read(saved(picture)).claimed == samples.ins()


def beside(*messages: bytes) -> bytes:
    symbols = [opened(symbol_of(message).png(module_pixels=4)) for message in messages]
    page = Image.new("L", (sum(s.width + 60 for s in symbols), 400), 255)
    at = 30
    for symbol in symbols:
        page.paste(symbol, (at, 30))
        at += symbol.width + 60
    return saved(page)


def test_one_identity_at_a_time() -> None:
    ours = text_of(IDENTITY)
    other = text_of(qualified(birth_name="NESSI"))
    medicine = b"010340093000000017270101"
    assert datamatrix_image.read(beside(ours, medicine)).claimed == samples.ins()
    assert datamatrix_image.read(beside(ours, ours)).claimed == samples.ins()
    with pytest.raises(InsError, match="INS_DM_SEVERAL"):
        datamatrix_image.read(beside(ours, other))
    with pytest.raises(InsError, match="INS_DM_NOT_FOUND"):
        datamatrix_image.read(beside(medicine))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    png = bytearray(saved(Image.new("1", (8, 8))))
    png[16:24] = width.to_bytes(4) + height.to_bytes(4)
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4)
    return bytes(png)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (b"", "INS_DM_PICTURE"),
        (b"not a picture", "INS_DM_PICTURE"),
        (b"\x89PNG\r\n\x1a\n", "INS_DM_PICTURE"),
        (saved(Image.new("L", (50, 50), 255)), "INS_DM_NOT_FOUND"),
        (saved(Image.new("L", (1, 1), 255)), "INS_DM_NOT_FOUND"),
        (b"\0" * (MAX_FILE_BYTES + 1), "INS_DM_PICTURE_SIZE"),
        (bomb(7000, 7000), "INS_DM_PICTURE_SIZE"),
        (bomb(10_000, 10_000), "INS_DM_PICTURE_SIZE"),
        (bomb(60_000, 60_000), "INS_DM_PICTURE_SIZE"),
    ],
    ids=["empty", "text", "cut", "white", "dot", "large file", "many pixels", "bomb", "large bomb"],
)
def test_what_is_no_picture_of_a_symbol_is_refused(picture: bytes, code: str) -> None:
    with pytest.raises(InsError) as caught:
        datamatrix_image.read(picture)
    assert caught.value.code == code
    assert caught.value.hint_fr


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on spoiled files
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_spoiled_file_is_refused_or_read_never_a_crash(kind: str) -> None:
    whole = saved(opened(drawn(IDENTITY).png(module_pixels=2)), kind)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        for spoiled in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            with suppress(InsError):
                datamatrix_image.read(spoiled)
