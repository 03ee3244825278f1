from pathlib import Path

import pytest
from PIL import ImageFont

from oob.errors import UsageError
from oob.labels import lettering
from oob.labels.lettering import Face, find_face


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine without fonts."""
    monkeypatch.setattr(lettering, "FONTS", ())


def test_pillows_own_font_has_the_letters_of_english() -> None:
    text = "".join(map(chr, range(32, 127)))
    assert find_face(text) == Face()
    Face().require(text)


@pytest.mark.usefixtures("no_fonts")
def test_a_letter_that_no_font_has() -> None:
    assert find_face("灯") == Face()
    assert not Face().has("灯")
    with pytest.raises(UsageError, match="'灯'"):
        Face().require("a灯")


def test_another_font_is_taken_for_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "FONTS", ("missing.ttf", "first.ttf", "second.ttf"))
    monkeypatch.setattr(lettering, "_is_there", lambda face: face.file != "missing.ttf")
    monkeypatch.setattr(Face, "has", lambda face, letter: letter == "a" or face.file == "second.ttf")
    assert find_face("aa") == Face()
    assert find_face("aä") == Face("second.ttf")


def test_a_font_of_the_users(tmp_path: Path) -> None:
    """It is taken even where another one has more letters."""
    (tmp_path / "font.ttf").write_bytes(ImageFont.load_default(10).font_bytes)  # type: ignore[union-attr]
    face = find_face("a\U0010fffd", tmp_path / "font.ttf")
    assert face == Face(str(tmp_path / "font.ttf"))
    assert face.ems("a") == pytest.approx(Face().ems("a"), abs=0.02)


def test_a_font_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_text("no font")
    for path in (tmp_path / "font.ttf", tmp_path / "none.ttf"):
        with pytest.raises(UsageError, match="not a font"):
            find_face("a", path)
    assert not lettering._is_there(Face(str(tmp_path / "none.ttf")))


def test_pillow_without_freetype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFont, "load_default", lambda size: ImageFont.ImageFont())
    with pytest.raises(UsageError, match="no FreeType"):
        lettering._load.__wrapped__(None, 10)


def test_widths() -> None:
    face = Face()
    assert face.ems("") == 0
    assert 0.4 < face.ems("a") < 0.7
    assert face.ems("aa") == 2 * face.ems("a")
    assert face.ems("灯") == 1.0
    assert face.ems("и") == 0.6
    assert face.ems("a\u0323") == face.ems("a")
