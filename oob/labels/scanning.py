"""Reads a label: the one "OOB:" code in a picture, or its text.

A picture comes from wherever the user has it from. It is decoded by formats that decode in this process alone (none
that starts another program), bounded in bytes and pixels; what else is in it is ignored, and no link in it is opened.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oob.errors import UsageError
from oob.pairing import Bootstrap
from oob.pairing.bootstrap import PREFIX
from oob.storage import renamed_errors

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE: Final = 50 * 2**20
"""Bytes of a picture at most."""
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM")
_INSTALL: Final = "Run: pip install 'oob[qr]'"
_STEP: Final = "qr"


def load(path: Path) -> bytes:
    """Return the file, at most one byte more than `scan` takes. Raises StorageError."""
    with renamed_errors("read", path), path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def scan(data: bytes) -> Bootstrap:
    """Return the bootstrap data in a picture, or in a text.

    Raises UsageError for what is neither, for a picture that is too large or has no code or several, and where the
    extra is not installed; PeerError for a code that is malformed.
    """
    if len(data) > MAX_FILE:
        raise UsageError(f"the picture is larger than {MAX_FILE >> 20} MB", step=_STEP, remedy="Cut it to the code")
    text = data.strip(b"\r\n\t ")
    if text.startswith(PREFIX.encode()):
        return Bootstrap.from_text(text.decode("ascii", "replace"))
    if not text:
        raise UsageError("there is nothing in it", step=_STEP, remedy="Give a picture, or the text of the code")
    return Bootstrap.from_text(_only(_codes(data)))


def _only(texts: set[str]) -> str:
    codes = {text for text in texts if text.startswith(PREFIX)}
    if not codes:
        cause = "the QR code in the picture is not for pairing" if texts else "no QR code was found in the picture"
        remedy = 'A pairing code starts with "OOB:"' if texts else "Take it nearer, sharp, with the white around it"
        raise UsageError(cause, step=_STEP, remedy=remedy)
    if len(codes) > 1:
        cause = f"there are {len(codes)} different pairing codes in the picture"
        raise UsageError(cause, step=_STEP, remedy="Cut it to that of the device")
    return codes.pop()


def _codes(data: bytes) -> set[str]:
    """Return the texts of all QR codes in the picture."""
    try:
        import zxingcpp
        from PIL import Image
    except ImportError as error:
        package = {"zxingcpp": "zxing-cpp", "PIL": "pillow"}.get(error.name or "", str(error))
        raise UsageError(f"reading a picture needs {package}", step=_STEP, remedy=_INSTALL) from error
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width * image.height, Image.MAX_IMAGE_PIXELS)
            grey = _grey(image)
        kinds = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        found = zxingcpp.read_barcodes(grey, formats=kinds, text_mode=zxingcpp.TextMode.Plain)
        return {each.text for each in found}
    except UsageError:
        raise
    except Image.DecompressionBombError as error:  # so large that Pillow does not even open it
        raise _too_large() from error
    except Exception as error:  # a hostile picture makes decoders raise whatever they like
        remedy = "Take PNG, JPEG, WebP, GIF or BMP; or the text of the code"
        raise UsageError("it is no picture that can be read", step=_STEP, remedy=remedy) from error


def _grey(image: "Image.Image") -> "Image.Image":
    """Return it in shades of grey, 8 bits each, what is transparent as white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits: a plain conversion would cut off, not scale
        return image.convert("I").point(lambda level: level / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("L")
    coloured = image.convert("RGBA")
    paper = Image.new("L", image.size, 255)
    paper.paste(coloured.convert("L"), mask=coloured.getchannel("A"))
    return paper


def _check_size(pixels: int, limit: int | None) -> None:
    if limit is not None and pixels > limit:
        raise _too_large()


def _too_large() -> UsageError:
    return UsageError("the picture has too many pixels", step=_STEP, remedy="Cut it to the code, or make it smaller")
