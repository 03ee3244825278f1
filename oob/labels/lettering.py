"""Letters for labels: a font that has them, and how wide they are.

Pillow brings a font with the letters of English, which looks the same on every machine; for all others one of the
machine's is taken, or a file that the user names.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from unicodedata import combining, east_asian_width

from PIL import ImageFont

from oob.errors import UsageError

FONTS: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "msgothic.ttc",
)
"""Looked for, in this order, where the system keeps its fonts (Linux, macOS, Windows)."""
_MEASURE: Final = 100
_NOBODY: Final = "\uffff"
"""A code point that is no character: what a font draws for it, it draws for all that it does not have."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font: a file or the name of one, None for the one that Pillow brings."""

    file: str | None = None

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """Return it in a size in pixels. Raises UsageError if the file is no font."""
        return _load(self.file, size)

    def has(self, letter: str) -> bool:
        """Whether the font has the letter."""
        return self._em(letter) is not None

    def require(self, text: str) -> None:
        """Raise UsageError unless the font has all letters of the text."""
        missing = next((letter for letter in text if not self.has(letter)), None)
        if missing is not None:
            remedy = "Name a font file that has it (--font), or make an SVG"
            raise UsageError(f"no font here has the letter {missing!r}", step="label", remedy=remedy)

    def ems(self, text: str) -> float:
        """Return the width of the text in units of the size of its letters; a guess for letters it does not have."""
        widths = ((letter, self._em(letter)) for letter in text)
        return sum(_guess(letter) if width is None else width for letter, width in widths)

    @lru_cache(maxsize=4096)  # noqa: B019  a face is a value, and there are few
    def _em(self, letter: str) -> float | None:
        """Return the width of a letter in units of its size, None if the font does not have it."""
        font = self.at(_MEASURE)
        if not letter.isspace() and bytes(font.getmask(letter)) == bytes(font.getmask(_NOBODY)):
            return None
        return font.getlength(letter) / _MEASURE


def find_face(text: str, file: Path | None = None) -> Face:
    """Return the font of this file, else the first that has all letters, else the one that Pillow brings.

    UsageError if the file is no font.
    """
    if file is not None:
        _load(str(file), _MEASURE)
        return Face(str(file))
    letters = set(text)
    faces = (Face(), *map(Face, FONTS))
    return next((face for face in faces if _is_there(face) and all(map(face.has, letters))), Face())


@lru_cache(maxsize=64)
def _load(file: str | None, size: float) -> ImageFont.FreeTypeFont:
    try:
        font = ImageFont.load_default(size) if file is None else ImageFont.truetype(file, size)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is not a font that can be used", step="label", remedy="Check the path") from error
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UsageError(
            "this Pillow has no FreeType", step="label", remedy="Run: pip install --force-reinstall pillow"
        )
    return font


def _is_there(face: Face) -> bool:
    try:
        face.at(_MEASURE)
    except UsageError:
        return False
    return True


def _guess(letter: str) -> float:
    if combining(letter):
        return 0.0
    return 1.0 if east_asian_width(letter) in "WF" else 0.6
