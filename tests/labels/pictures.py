"""Labels and pictures of them, and what tests need to look at either."""

import io
import re
import struct
from xml.etree import ElementTree

from PIL import Image, ImageDraw

from oob.labels.drawing import QUIET, Label
from oob.pairing import Bootstrap, Model, Passcode

SECRET = Bootstrap(1, (Model.SECRET,), bytes(range(32)), bytes(range(16)), bytes(range(16, 32)), name="Lab printer")
OTHER = Bootstrap(1, (Model.SECRET,), bytes(32), bytes(16), name="Lamp")
PINNED = Bootstrap(1, (Model.PINNED,), bytes(range(20)))
LARGEST = Bootstrap(
    *(1, (Model.SECRET, Model.PINNED, Model.PASSCODE), bytes(range(32)), bytes(range(32)), bytes(16), True),
    name="n" * 32,
    hints=("h" * 64,) * 4,
)
CODE = Passcode.from_number(1234567)
SVG = "{http://www.w3.org/2000/svg}"


def png(image: Image.Image, kind: str = "PNG") -> bytes:
    output = io.BytesIO()
    image.save(output, kind)
    return output.getvalue()


def blocks(lines: list[str], *, inverted: bool = False) -> Image.Image:
    """Return a picture of half blocks, as a terminal shows them: as ink on paper, or as light on a dark screen."""
    ink, paper = (255, 0) if inverted else (0, 255)
    image = Image.new("L", (len(lines[0]) * 4, len(lines) * 8), paper)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, block in enumerate(line):
            for half, shown in enumerate((block in "▀█", block in "▄█")):
                if shown:
                    left, top = column * 4, row * 8 + half * 4
                    pen.rectangle((left, top, left + 3, top + 3), fill=ink)
    return image


def from_svg(data: bytes) -> Image.Image:
    """Return a picture of the one path in an SVG of ours, 4 pixels a module: rows of rectangles, and nothing else."""
    root = ElementTree.fromstring(data)  # noqa: S314  our own
    (path,) = root.iter(f"{SVG}path")
    drawn = path.attrib["d"]
    scale = float(path.attrib["transform"].removeprefix("scale(").removesuffix(")"))
    side = round(float(root.attrib["width"].removesuffix("mm")) / scale)
    assert re.fullmatch(r"(M\d+ \d+h\d+v1h-\d+z)+", drawn)
    image = Image.new("L", (side * 4, side * 4), 255)
    pen = ImageDraw.Draw(image)
    for x, y, length, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn):
        assert length == back
        left, top = int(x) * 4, int(y) * 4
        pen.rectangle((left, top, left + int(length) * 4 - 1, top + 3), fill=0)
    return image


def from_pdf(data: bytes) -> tuple[Image.Image, tuple[float, float]]:
    """Return the picture in a PDF of ours, and the size of its page in millimetres."""
    width, height = (int(re.findall(rb"/%s (\d+)" % key, data)[0]) for key in (b"Width", b"Height"))
    assert b"/CCITTFaxDecode" in data, "it is not lossless"
    stream = data.split(b">>stream\n", 1)[1].split(b"\nendstream", 1)[0]
    page = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)[0]
    return _fax(width, height, stream), (float(page[0]) / 72 * 25.4, float(page[1]) / 72 * 25.4)


def _fax(width: int, height: int, stream: bytes) -> Image.Image:
    """Decode CCITT group 4, in which 1 is black, by the smallest TIFF that holds it."""
    tags = [
        (256, width),
        (257, height),
        (258, 1),
        (259, 4),
        (262, 0),
        (273, 0),
        (277, 1),
        (278, height),
        (279, len(stream)),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return Image.open(io.BytesIO(header + entries + bytes(4) + stream)).convert("L")


def modules(label: Label) -> Image.Image:
    """Return the QR code of a label alone, 4 pixels a module."""
    side = label.modules * 4
    image = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(image)
    for y, row in enumerate(label.code.matrix, QUIET):
        for x, is_dark in enumerate(row, QUIET):
            if is_dark:
                pen.rectangle((x * 4, y * 4, x * 4 + 3, y * 4 + 3), fill=0)
    return image
