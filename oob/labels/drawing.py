"""Draws a label: the QR code of the bootstrap data, with the passcode and the name below it.

    +-----------+
    |  QR code  |   a square as wide as the label, with its quiet zone of 4 modules
    | 1234 5678 |   where there is a passcode
    |   name    |   made smaller where it is long, then cut
    +-----------+

What is drawn holds whatever the bootstrap data hold: for the model `secret`, the secret.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import segno
from PIL import Image, ImageDraw

from oob.errors import UsageError
from oob.labels.lettering import Face, find_face
from oob.pairing import Bootstrap, Passcode

KINDS: Final = ("svg", "png", "pdf")
DPI: Final = 600
"""Of PNG and PDF, in black and white alone: what a label printer prints."""
QUIET: Final = 4
"""Modules of white around the code (ISO/IEC 18004, section 9.1)."""
MIN_MODULE: Final = 0.25
"""Millimetres that a module must have at least, so that a phone reads what an office printer printed."""
WIDTH: Final = 30.0
# In widths of the label.
_PASSCODE_SIZE, _NAME_SIZE, _SMALLEST_NAME, _MARGIN = 0.13, 0.10, 0.05, 0.04
# In sizes of the letters.
_ROW, _ABOVE_THE_BASELINE = 1.3, 0.8
_MM_PER_INCH = 25.4
_HALF_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a label; UsageError where the name is not printable, or the width too small for the code.

    `name` may be any printable text, `width` is in millimetres, `font` a font file for the name where the usual ones
    do not have its letters.
    """

    bootstrap: Bootstrap
    passcode: Passcode | None = None
    name: str = ""
    width: float = WIDTH
    font: Path | None = None
    code: segno.QRCode = field(init=False, repr=False, compare=False)
    """The smallest QR code that holds the text, with as much error correction as there is room for in it."""

    def __post_init__(self) -> None:
        """Check what a printer could not mend."""
        code = segno.make_qr(self.bootstrap.to_text(), error="L", mode="alphanumeric")
        object.__setattr__(self, "code", code)
        if not self.name.isprintable():
            raise UsageError("a name on a label is printable, and one line", step="label")
        least = MIN_MODULE * self.modules
        if self.width < least:
            cause = f"a code of {self.modules - 2 * QUIET} modules is not readable on {self.width:g} mm"
            raise UsageError(cause, step="label", remedy=f"Make it {least:.1f} mm or wider")

    @property
    def modules(self) -> int:
        """The modules of a side, with the quiet zone."""
        return len(self.code.matrix) + 2 * QUIET

    @property
    def height(self) -> float:
        """In millimetres."""
        lines = self.lines()
        return lines[-1].bottom + self.width * _MARGIN if lines else self.width

    def lines(self) -> list["Line"]:
        """Return the lines below the code."""
        room = self.width * (1 - 2 * QUIET / self.modules)
        lines: list[Line] = []
        if self.passcode is not None:
            face, text = find_face(self.passcode.display()), self.passcode.display()
            lines.append(Line(text, face, self.width * _PASSCODE_SIZE, self.width))
        if self.name.strip():
            top = lines[-1].bottom if lines else self.width
            lines.append(_fitted(self.name.strip(), find_face(self.name, self.font), room, self.width, top))
        return lines


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, centred: `size` of the letters and `top`, in millimetres."""

    text: str = field(repr=False)
    face: Face
    size: float
    top: float

    @property
    def bottom(self) -> float:
        """Where the next line begins, in millimetres."""
        return self.top + self.size * _ROW

    @property
    def baseline(self) -> float:
        """Where the letters stand, in millimetres."""
        return self.top + self.size * _ABOVE_THE_BASELINE

    @property
    def length(self) -> float:
        """How long it is, in millimetres."""
        return self.face.ems(self.text) * self.size


def draw(label: Label, kind: str) -> bytes:
    """Return the label as "svg", "png" or "pdf". UsageError where no font has the letters of the name, but for SVG."""
    if kind == "svg":
        return _svg(label).encode()
    output = io.BytesIO()
    image = _image(label)
    if kind == "png":
        image.save(output, "PNG", dpi=(DPI, DPI))
    else:
        image.save(output, "PDF", resolution=DPI)
    return output.getvalue()


def half_blocks(label: Label) -> list[str]:
    """Return the QR code for a terminal, two rows of modules a line: what is dark is ink, on whatever is white."""
    side = label.modules
    blank = [0] * side
    margin = [0] * QUIET
    rows = [[*margin, *row, *margin] for row in label.code.matrix]
    rows = [blank] * QUIET + rows + [blank] * QUIET
    return [
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=blank)
    ]


def _fitted(text: str, face: Face, room: float, width: float, top: float) -> Line:
    """Return the text as large as `room` lets it be; what is too long even in small letters ends in an ellipsis."""
    size = min(width * _NAME_SIZE, room / (face.ems(text) or 1))
    smallest = width * _SMALLEST_NAME
    if size >= smallest:
        return Line(text, face, size, top)
    # Bounds the work on a name of a million letters: no letter that is seen is narrower than a tenth of its height.
    text = text[: round(10 * room / smallest)]
    end = "…" if face.has("…") else "..."
    while face.ems(text + end) * smallest > room:
        text = text[:-1].rstrip()
    return Line(text + end, face, smallest, top)


def _dark(code: segno.QRCode) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of dark modules: x, y and length."""
    for y, row in enumerate(code.matrix):
        x = 0
        for is_dark, run in groupby(row):
            length = len(list(run))
            if is_dark:
                yield x, y, length
            x += length


def _svg(label: Label) -> str:
    """Return the label with one path for the code, in units of modules, and its text as text."""
    scale = label.width / label.modules
    path = "".join(f"M{x + QUIET} {y + QUIET}h{length}v1h-{length}z" for x, y, length in _dark(label.code))
    texts = "".join(_svg_line(line, label.width / 2) for line in label.lines())
    size = f'width="{label.width:g}mm" height="{label.height:.3f}mm" viewBox="0 0 {label.width:g} {label.height:.3f}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<path transform="scale({scale:.6f})" shape-rendering="crispEdges" d="{path}"/>\n{texts}</svg>\n'
    )


def _svg_line(line: Line, middle: float) -> str:
    # `textLength` keeps the line within the label whatever the font of who looks at it.
    place = f'x="{middle:g}" y="{line.baseline:.3f}" font-size="{line.size:.3f}" textLength="{line.length:.3f}"'
    style = 'text-anchor="middle" font-family="sans-serif" lengthAdjust="spacingAndGlyphs" xml:space="preserve"'
    return f"<text {place} {style}>{escape(line.text)}</text>\n"


def _image(label: Label) -> Image.Image:
    """Return the label in black and white; each module has a whole number of pixels."""
    width, height = _pixels(label.width), _pixels(label.height)
    image = Image.new("1", (width, height), 1)
    pen = ImageDraw.Draw(image)
    module = width // label.modules
    margin = (width - module * (label.modules - 2 * QUIET)) // 2
    for x, y, length in _dark(label.code):
        left, top = margin + x * module, margin + y * module
        pen.rectangle((left, top, left + length * module - 1, top + module - 1), fill=0)
    for line in label.lines():
        line.face.require(line.text)
        place = (width / 2, _pixels(line.baseline))
        pen.text(place, line.text, fill=0, font=line.face.at(_pixels(line.size)), anchor="ms")
    return image


def _pixels(millimetres: float) -> int:
    return round(millimetres * DPI / _MM_PER_INCH)
