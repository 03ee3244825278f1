import io
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oob.errors import UsageError
from oob.labels.drawing import DPI, KINDS, MIN_MODULE, QUIET, Label, draw, half_blocks
from oob.labels.scanning import scan
from oob.pairing import Bootstrap
from tests.labels.pictures import CODE, LARGEST, OTHER, PINNED, SECRET, SVG, blocks, from_pdf, from_svg, png

ALL = pytest.mark.parametrize(
    "bootstrap", [SECRET, OTHER, PINNED, LARGEST], ids=["secret", "lamp", "pinned", "largest"]
)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@ALL
@pytest.mark.parametrize("passcode", [None, CODE])
def test_a_label_is_read_back(bootstrap: Bootstrap, passcode: None) -> None:
    label = Label(bootstrap, passcode, "Lab printer", 40)
    assert scan(draw(label, "png")) == bootstrap
    assert scan(png(from_pdf(draw(label, "pdf"))[0])) == bootstrap
    assert scan(png(from_svg(draw(label, "svg")))) == bootstrap


@ALL
@pytest.mark.parametrize("inverted", [False, True], ids=["paper", "dark screen"])
def test_a_terminal_shows_what_is_read_back(bootstrap: Bootstrap, inverted: bool) -> None:
    lines = half_blocks(Label(bootstrap, width=40))
    assert scan(png(blocks(lines, inverted=inverted))) == bootstrap
    assert len(set(map(len, lines))) == 1
    assert not "".join(lines[: QUIET // 2] + [line[:QUIET] + line[-QUIET:] for line in lines]).strip()


def test_the_smallest_code() -> None:
    code = Label(SECRET).code
    assert (code.mode, code.designator) == ("alphanumeric", "5-L")
    assert len(SECRET.to_text()) <= 154, "what version 5 with level L holds"
    assert Label(PINNED).code.designator == "2-L"


def test_its_size_is_what_was_asked_for() -> None:
    for width in (15, 30, 62.5):
        label = Label(SECRET, CODE, "Lab printer", width)
        image = opened(draw(label, "png"))
        assert image.mode == "1"
        assert image.info["dpi"] == pytest.approx((DPI, DPI), rel=0.001)
        assert [side / DPI * 25.4 for side in image.size] == pytest.approx([width, label.height], abs=0.03)
        assert from_pdf(draw(label, "pdf"))[1] == pytest.approx([width, label.height], abs=0.03)
        root = ElementTree.fromstring(draw(label, "svg"))  # noqa: S314
        assert root.attrib["width"] == f"{width:g}mm"
        assert root.attrib["height"] == f"{label.height:.3f}mm"


@pytest.mark.parametrize("width", [15, 17.3, 30, 100])
def test_modules_are_whole_pixels_with_white_around_them(width: float) -> None:
    label = Label(SECRET, width=width)
    image = opened(draw(label, "png")).convert("L")
    box = image.point(lambda level: 255 - level).getbbox()
    assert box is not None
    side = len(label.code.matrix)
    module, rest = divmod(box[2] - box[0], side)
    assert (rest, box[3] - box[1]) == (0, module * side)
    assert min(box[0], box[1], image.width - box[2], image.height - box[3]) >= QUIET * module
    cells = image.crop(box).reduce(module)
    assert list(cells.tobytes()) == [0 if is_dark else 255 for row in label.code.matrix for is_dark in row]


def test_a_label_without_text_is_the_code_alone() -> None:
    assert Label(SECRET, name="  ").lines() == []
    assert Label(SECRET).height == Label(SECRET).width


def test_a_label_too_small_for_a_phone() -> None:
    least = MIN_MODULE * (37 + 2 * QUIET)
    Label(SECRET, width=least)
    with pytest.raises(UsageError, match="not readable on 11 mm") as caught:
        Label(SECRET, width=11)
    assert caught.value.remedy == "Make it 11.2 mm or wider"


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\x00", "a\u202eb", "\ud800", "\uffff"])
def test_a_name_that_cannot_be_printed(name: str) -> None:
    with pytest.raises(UsageError, match="printable"):
        Label(SECRET, name=name)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", "]]>", "\"'", "<!--", "Küche 灯 🙂 ﷽"])
def test_a_name_is_text_and_never_markup(name: str) -> None:
    root = ElementTree.fromstring(draw(Label(SECRET, CODE, name, 60), "svg"))  # noqa: S314
    assert [each.text for each in root.iter(f"{SVG}text")] == [CODE.display(), name]
    assert [each.tag.removeprefix(SVG) for each in root] == ["rect", "path", "text", "text"]


@given(name=NAMES)
def test_a_name_stays_within_its_label(name: str) -> None:
    label = Label(SECRET, CODE, name)
    side = label.width * QUIET / label.modules
    for line in label.lines():
        assert line.length <= label.width - 2 * side + 0.001
        assert label.width <= line.top < line.baseline < line.bottom < label.height
    image = opened(draw(label, "png")).convert("L")
    box = image.point(lambda level: 255 - level).getbbox()
    assert box is not None
    margin = image.width * QUIET / label.modules * 0.8  # a letter may lean out of its own width
    assert box[0] >= margin
    assert box[2] <= image.width - margin
    assert box[3] < image.height, "the feet of the letters are cut off"


def test_a_long_name_shrinks_and_is_cut_in_the_end() -> None:
    short, longer, longest = (Label(SECRET, name="Lamp " * count).lines()[0] for count in (1, 5, 200_000))
    assert short.text == "Lamp"
    assert longer.text == "Lamp Lamp Lamp Lamp Lamp"
    assert short.size > longer.size > longest.size == Label(SECRET).width * 0.05
    assert longest.text.startswith("Lamp Lamp")
    assert longest.text.endswith(("…", "..."))


def test_letters_that_no_font_has_are_only_in_an_svg() -> None:
    label = Label(SECRET, name="a\U0001f9ffb")
    assert "\U0001f9ff".encode() in draw(label, "svg")
    for kind in KINDS[1:]:
        with pytest.raises(UsageError, match="no font here has the letter") as caught:
            draw(label, kind)
        assert "--font" in caught.value.remedy


def test_no_secret_shows() -> None:
    assert CODE.digits not in repr(Label(SECRET, CODE))
    assert CODE.display() not in repr(Label(SECRET, CODE).lines())
    assert str(SECRET.secret) not in repr(Label(SECRET))
