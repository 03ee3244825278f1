"""What a static tag says: the layout byte by byte, what fits on which tag, and what is refused."""

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from random import Random

import ndef
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import PeerError, UsageError
from oob.framing import ndef as records
from oob.framing.ndef import Record, Tnf
from oob.framing.tnep import Service
from oob.pairing import Bootstrap, Model, base45
from oob.pairing.tag_content import OOB_DOMAIN, TagContent, is_foreign
from oob.sim.tags import simulated_chip
from tests.framing.driving import opened, read, write

URL = "https://example.com/d/7Q4M2K9X"
HASH, SECRET, TAG_KEY = bytes(range(32)), bytes(range(100, 116)), bytes(range(200, 216))
PINNED = Bootstrap(1, (Model.PINNED,), HASH)
WITH_SECRET = Bootstrap(1, (Model.SECRET,), HASH, secret=SECRET, tag_key=TAG_KEY)
NAMED = Bootstrap(1, (Model.SECRET,), HASH, secret=SECRET, tag_key=TAG_KEY, name="Lamp 7")
SHORT_HASH = Bootstrap(1, (Model.SECRET,), HASH[:16], secret=SECRET, tag_key=TAG_KEY)
APP = "com.example.lamp"

urls = st.builds(
    lambda host, path: f"https://{host}.example/{path}",
    st.text("abcw.", max_size=9).map(lambda text: "w" + text),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), max_size=40),
)


def uri(code: int, rest: bytes) -> Record:
    return Record(Tnf.WELL_KNOWN, b"U", bytes((code,)) + rest)


@given(st.just("") | urls, st.sampled_from([None, PINNED, WITH_SECRET, NAMED]), st.sampled_from(["", APP, "a.B_2.c"]))
def test_what_is_written_is_read(url: str, bootstrap: Bootstrap | None, app: str) -> None:
    content = TagContent(url, bootstrap, app)
    assert TagContent.decode(content.encode()) == content


def test_the_layout() -> None:
    message = TagContent(URL, PINNED, APP).encode()
    data = PINNED.encode()
    assert message == (
        b"\x91\x01\x17U\x04example.com/d/7Q4M2K9X"
        + b"\x14\x0d"
        + bytes((len(data),))
        + b"oob.invalid:b"
        + data
        + b"\x54\x0f\x10android.com:pkgcom.example.lamp"
    )
    first, second, third = ndef.message_decoder(message)
    assert (first.uri, second.type, second.data) == (URL, f"urn:nfc:ext:{OOB_DOMAIN}:b", data)
    assert (third.type, third.data) == ("urn:nfc:ext:android.com:pkg", APP.encode())


def test_the_example_of_the_specification() -> None:
    page = (Path(__file__).parents[2] / "docs" / "spec" / "tag.md").read_text(encoding="utf-8")
    shown = bytes.fromhex(page.partition("```text")[2].partition("```")[0])
    secret, tag_key = bytes(range(0x40, 0x50)), bytes(range(0x60, 0x70))
    content = TagContent(URL, Bootstrap(1, (Model.SECRET,), HASH, secret=secret, tag_key=tag_key))
    assert (content.encode(), len(shown)) == (shown, 120)


def test_www_has_a_prefix_of_its_own() -> None:
    assert TagContent("https://www.example.com").encode() == b"\xd1\x01\x0cU\x02example.com"


LAYOUTS = {
    # bytes of the message; what is left on an NTAG213, 215, 216 and a FeliCa Lite-S
    "url, pinned": (TagContent(URL, PINNED), 84, (53, 408, 784, 124)),
    "url, secret, tag key": (TagContent(URL, WITH_SECRET), 120, (17, 372, 748, 88)),
    "url, secret, tag key, name": (TagContent(URL, NAMED), 128, (9, 364, 740, 80)),
    "url, secret, tag key, name, app": (TagContent(URL, NAMED, APP), 162, (-25, 330, 706, 46)),
    "url, secret, tag key, app, hash of 16 bytes": (TagContent(URL, SHORT_HASH, APP), 137, (0, 355, 731, 71)),
}
CHIPS = ("NTAG213", "NTAG215", "NTAG216", "FeliCa Lite-S")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_fits_on_which_tag(layout: str) -> None:
    content, size, left = LAYOUTS[layout]
    message = content.encode()
    assert len(message) == size
    for name, expected in zip(CHIPS, left, strict=True):
        chip = simulated_chip(name)
        assert opened(chip).capacity - size == expected, name
        if expected < 0:
            with pytest.raises(UsageError, match=f"{-expected} too many"):
                write(chip, message)
        else:
            write(chip, message)
            assert TagContent.decode(read(chip)) == content


def test_the_longest_bootstrap_data_fit_an_ntag216() -> None:
    longest = Bootstrap(
        1,
        tuple(model for model in Model if model is not Model.RESUMED),
        HASH,
        secret=bytes(32),
        tag_key=TAG_KEY,
        dynamic=True,
        name="n" * 32,
        hints=("h" * 64,) * 4,
    )
    assert len(TagContent(URL, longest, APP).encode()) < 868


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.com",
            "https://",
            "https:// example.com",
            "https:///x",
            "HTTPS://example.com",
            "https://a\nb",
        ),
        *(
            "https://exämple.com",
            "example.com",
            "javascript:alert(1)",
            "https://\\x",
            "https://a b",
            "https://a\u202eb",
        ),
    ],
)
def test_urls_that_are_not_written(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        TagContent(url).encode()


@pytest.mark.parametrize(
    "app", ["com", "com.", ".com", "com.exa mple", "com.example/x", "1.a", "a." + "b" * 128, "a.bä"]
)
def test_apps_that_are_none(app: str) -> None:
    with pytest.raises(UsageError, match="Android"):
        TagContent(app=app)


def test_the_longest_app() -> None:
    TagContent(app="a." + "b" * 126)
    with pytest.raises(UsageError, match="Android"):
        TagContent(app="a." + "b" * 127)


SPOILED = bytes((0xFB, 0xFF, *range(0x20, 0x2E)))
TELLING = Bootstrap(1, (Model.SECRET,), HASH, secret=SPOILED)


@pytest.mark.parametrize(
    "told",
    [
        SPOILED.hex(),
        SPOILED.hex().upper(),
        SPOILED.hex("-"),
        "".join(f"%{byte:02X}" for byte in SPOILED),
        "".join(chr(byte) if 0x21 < byte < 0x7F and byte != 0x25 else f"%{byte:02x}" for byte in SPOILED),
        b64encode(SPOILED).decode(),
        urlsafe_b64encode(SPOILED).decode().rstrip("="),
        *(urlsafe_b64encode(bytes(n) + SPOILED + bytes(2)).decode() for n in range(3)),
        *(urlsafe_b64encode(b"\xff" * n + SPOILED + b"\xff\xff").decode() for n in range(3)),
        urlsafe_b64encode(TELLING.encode()).decode(),
        TELLING.encode().hex(),
        "".join(f"%{ord(c):02x}" for c in TELLING.to_text()),
        TELLING.to_text().lower().replace(" ", "%20"),
        *(base45.encode(bytes(n) + SPOILED + bytes(3)).replace(" ", "%20") for n in range(2)),
    ],
)
def test_a_url_that_tells_the_secret(told: str) -> None:
    with pytest.raises(UsageError, match="secret") as refused:
        TagContent(f"https://example.com/#{told}", TELLING)
    assert told not in str(refused.value)
    TagContent(f"https://example.com/#{told}", PINNED)
    message = records.encode(
        [
            uri(4, f"example.com/#{told}".encode()),
            Record(Tnf.EXTERNAL, b"oob.invalid:b", TELLING.encode()),
        ]
    )
    with pytest.raises(PeerError, match="secret") as read_back:
        TagContent.decode(message)
    assert told not in str(read_back.value)


def test_a_url_with_two_bytes_of_the_secret_tells_nothing() -> None:
    parts = (SPOILED[:2], SPOILED[1:3], SPOILED[-2:])
    told = "/".join(f"{base45.encode(part)}/{b64encode(part).decode()}/{part.hex()}" for part in parts)
    TagContent(f"https://example.com/{told.replace(' ', '%20')}", TELLING)


def test_no_secret_is_shown() -> None:
    assert SECRET.hex() not in repr(TagContent(URL, WITH_SECRET))
    assert str(SECRET)[2:-1] not in repr(TagContent(URL, WITH_SECRET))


def test_records_of_others_may_stand_around() -> None:
    ours = records.decode(TagContent(URL, WITH_SECRET, APP).encode())
    others = [
        Service("urn:nfc:xsn:oob.invalid:pair").to_record(),
        Record(Tnf.MEDIA, b"text/plain", b"hello"),
        Record(Tnf.EXTERNAL, b"oob.invalid:f", b"a frame"),
        Record(Tnf.EMPTY),
    ]
    for at in range(len(ours) + 1):
        message = records.encode([*ours[:at], *others, *ours[at:]])
        assert TagContent.decode(message) == TagContent(URL, WITH_SECRET, APP)
    assert TagContent.decode(b"") == TagContent()


def test_external_types_have_no_case() -> None:
    message = records.encode([Record(Tnf.EXTERNAL, b"OOB.Invalid:B", PINNED.encode())])
    assert TagContent.decode(message) == TagContent(bootstrap=PINNED)
    assert not is_foreign(message)


def test_other_schemes_are_read_as_text() -> None:
    assert TagContent.decode(records.encode([uri(3, b"example.com")])).url == "http://example.com"
    assert TagContent.decode(records.encode([uri(0x23, b"x")])).url == "urn:nfc:x"
    every = [next(ndef.message_decoder(records.encode([uri(code, b"x")]))).iri for code in range(0x24)]
    assert [TagContent.decode(records.encode([uri(code, b"x")])).url for code in range(0x24)] == every


@pytest.mark.parametrize(
    "message",
    [
        records.encode([uri(0x24, b"x")]),
        records.encode([Record(Tnf.WELL_KNOWN, b"U")]),
        records.encode([uri(4, b"\xff")]),
        records.encode([uri(4, b"a\x1b[2J")]),
        records.encode([uri(4, "a\u202eb".encode())]),
        records.encode([uri(4, b"a"), uri(4, b"b")]),
        records.encode([Record(Tnf.EXTERNAL, b"oob.invalid:b", b"\xa0")]),
        records.encode([Record(Tnf.EXTERNAL, b"oob.invalid:b", PINNED.encode() + b"\x00")]),
        records.encode([Record(Tnf.EXTERNAL, b"oob.invalid:b", PINNED.encode())] * 2),
        records.encode([Record(Tnf.EXTERNAL, b"android.com:pkg", b"no package")]),
        records.encode([Record(Tnf.EXTERNAL, b"android.com:pkg", b"\xff")]),
        b"\xd1\x01\x02U\x04",
    ],
)
def test_our_records_are_strict(message: bytes) -> None:
    with pytest.raises(PeerError):
        TagContent.decode(message)


@pytest.mark.parametrize(
    ("message", "foreign"),
    [
        (b"", False),
        (records.encode([Record(Tnf.EMPTY)]), False),
        (records.encode([Record(Tnf.EMPTY), Record(Tnf.EMPTY)]), True),
        (TagContent(URL, PINNED).encode(), False),
        (TagContent(URL).encode(), True),
        (records.encode([Record(Tnf.MEDIA, b"text/vcard", b"BEGIN")]), True),
        (records.encode([Record(Tnf.MEDIA, b"oob.invalid:b", PINNED.encode())]), True),
        (records.encode([Record(Tnf.EXTERNAL, b"oob.invalid:b", b"damaged")]), False),
        (b"\x00", True),
    ],
)
def test_what_is_foreign(message: bytes, foreign: bool) -> None:
    assert is_foreign(message) is foreign


def test_mutated_messages_are_values_or_peer_errors() -> None:
    random, messages, taken = Random(1), [TagContent(URL, NAMED, APP).encode(), TagContent(URL, PINNED).encode()], 0
    for _ in range(10_000):
        message = bytearray(random.choice(messages))
        for _ in range(random.randrange(1, 4)):
            message[random.randrange(len(message))] = random.choice((0, 0xFF, random.randrange(256)))
        is_foreign(bytes(message))
        try:
            TagContent.decode(bytes(message))
            taken += 1
        except PeerError:
            pass
    assert 0 < taken < 9_000
