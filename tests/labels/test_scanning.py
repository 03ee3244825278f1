import io
import random
import struct
import sys
import zlib
from pathlib import Path

import pytest
import segno
from PIL import Image

from oob.errors import OobError, PeerError, StorageError, UsageError
from oob.labels import scanning
from oob.labels.drawing import Label
from oob.labels.scanning import MAX_FILE, load, scan
from tests.labels.pictures import OTHER, SECRET, modules, png

CODE = modules(Label(SECRET))
WIFI = "WIFI:T:WPA;S=home;P=password;;"
URL = "https://example.com/OOB:"


def foreign(text: str) -> Image.Image:
    """Return a QR code of something else."""
    output = io.BytesIO()
    segno.make_qr(text).save(output, "png", scale=4, border=4)
    return Image.open(output).convert("L")


def beside(*images: Image.Image) -> Image.Image:
    whole = Image.new("L", (sum(each.width for each in images), max(each.height for each in images)), 255)
    left = 0
    for each in images:
        whole.paste(each, (left, 0))
        left += each.width
    return whole


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM"])
def test_formats(kind: str) -> None:
    assert scan(png(CODE, kind)) == SECRET


@pytest.mark.parametrize("kind", ["EPS", "PDF", "PCX", "TGA", "ICO", "TIFF"])
def test_other_formats_are_not_even_tried(kind: str) -> None:
    """Pillow reads most of them, EPS by starting another program; libtiff writes to stderr by itself."""
    with pytest.raises(UsageError, match="no picture that can be read"):
        scan(png(CODE, kind))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_kinds_of_colours(mode: str) -> None:
    assert scan(png(CODE.convert(mode))) == SECRET


def test_16_bits_are_scaled_not_cut_off() -> None:
    image = CODE.convert("I").point(lambda level: level * 150 + 20_000).convert("I;16")
    assert scan(png(image)) == SECRET


def test_what_is_transparent_is_paper() -> None:
    ink = Image.new("RGBA", CODE.size, (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), mask=CODE.point(lambda level: 255 - level))
    assert scan(png(ink)) == SECRET


@pytest.mark.parametrize("angle", [90, 180, 270, 7])
def test_a_picture_taken_at_an_angle(angle: int) -> None:
    assert scan(png(CODE.rotate(angle, expand=True, fillcolor=255))) == SECRET


@pytest.mark.parametrize("text", [SECRET.to_text(), SECRET.to_text() + "\r\n", f"\n {SECRET.to_text()}\n\n"])
def test_the_text_of_the_code(text: str) -> None:
    assert scan(text.encode()) == SECRET


def test_text_needs_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    assert scan(SECRET.to_text().encode()) == SECRET


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("zxingcpp", "zxing-cpp")])
def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, module: str, package: str) -> None:
    picture = png(CODE)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"reading a picture needs {package}") as caught:
        scan(picture)
    assert caught.value.remedy == "Run: pip install 'oob[qr]'"


def test_other_codes_are_ignored() -> None:
    assert scan(png(beside(foreign(WIFI), CODE, foreign(URL)))) == SECRET


def test_the_same_code_twice_is_one() -> None:
    assert scan(png(beside(CODE, CODE))) == SECRET


def test_two_devices_in_one_picture() -> None:
    with pytest.raises(UsageError, match="2 different pairing codes"):
        scan(png(beside(CODE, modules(Label(OTHER)))))


def test_no_code_in_the_picture() -> None:
    with pytest.raises(UsageError, match="no QR code was found"):
        scan(png(Image.new("L", (300, 300), 255)))


@pytest.mark.parametrize("text", [WIFI, URL, "oob:" + SECRET.to_text()[4:], " OOB:"])
def test_only_codes_that_are_not_for_pairing(text: str) -> None:
    with pytest.raises(UsageError, match="not for pairing") as caught:
        scan(png(foreign(text)))
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["OOB:", "OOB:!", "OOB:ABC", SECRET.to_text()[:-3], "OOB:\u00e4"])
def test_a_malformed_code(text: str) -> None:
    for data in (text.encode(), png(foreign(text))):
        with pytest.raises(PeerError):
            scan(data)


@pytest.mark.parametrize("data", [b"", b" \n", b"12345678", b"\x00" * 100, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>"])
def test_what_is_neither_picture_nor_text(data: bytes) -> None:
    with pytest.raises(UsageError):
        scan(data)


def test_a_file_that_is_too_large() -> None:
    with pytest.raises(UsageError, match="larger than 50 MB"):
        scan(bytes(MAX_FILE + 1))


def test_not_more_than_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "MAX_FILE", 10)
    (tmp_path / "large").write_bytes(bytes(100))
    assert len(load(tmp_path / "large")) == 11
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageError, match="cannot read"):
            load(path)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of few bytes that says to be this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_500, 13_400, 100_000])
def test_a_decompression_bomb(side: int) -> None:
    """From the first on it is more than Pillow warns of, from the second on more than it opens."""
    with pytest.raises(UsageError, match="too many pixels"):
        scan(bomb(side, side))


def test_the_limit_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", CODE.width * CODE.height)
    assert scan(png(CODE)) == SECRET
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", CODE.width * CODE.height - 1)
    with pytest.raises(UsageError, match="too many pixels"):
        scan(png(CODE))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert scan(png(CODE)) == SECRET


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_truncated_picture(kind: str) -> None:
    whole = png(CODE, kind)
    for length in range(1, len(whole) // 2, max(1, len(whole) // 50)):
        with pytest.raises(UsageError):
            scan(whole[:length])


@pytest.mark.parametrize("kind", scanning.FORMATS)
def test_mutated_pictures(kind: str) -> None:
    """200 of each kind: the code, or an error of ours."""
    dice, whole = random.Random(kind), png(CODE, kind)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 3, 20))):
            # Mostly in the head, where the structure is.
            data[dice.randrange(dice.choice((64, len(data))))] = dice.randrange(256)
        try:
            assert scan(bytes(data)) == SECRET
        except OobError as error:
            assert isinstance(error, (UsageError, PeerError))
