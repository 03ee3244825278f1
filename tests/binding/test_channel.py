"""The protected channel: one order, one direction each, one fault and it is over."""

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from oob import cbor
from oob.binding import Channel, channel_pair
from oob.crypto import Hash
from oob.errors import AuthenticationError, OobError, PeerError
from oob.handshake import Exporter

EXPORTER = Exporter(Hash.SHA256, b"p" * 32)
MODEL, SECRET = 3, b"s" * 32
LAST = 2**32 - 1


def pair(exporter: Exporter = EXPORTER, model: int = MODEL, secret: bytes = SECRET) -> tuple[Channel, Channel]:
    return channel_pair(exporter, model, secret)


def assert_broken(channel: Channel, record: bytes) -> None:
    """The genuine record comes too late."""
    with pytest.raises(AuthenticationError, match="broken"):
        channel.open(record)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=20))
def test_both_directions_in_order(records: list[tuple[bool, bytes]]) -> None:
    initiator, responder = pair()
    for from_initiator, plaintext in records:
        sender, receiver = (initiator, responder) if from_initiator else (responder, initiator)
        assert receiver.open(sender.seal(plaintext)) == plaintext


def test_many_on_the_way() -> None:
    initiator, responder = pair()
    records = [initiator.seal(bytes([number])) for number in range(5)]
    assert [responder.open(record) for record in records] == [bytes([number]) for number in range(5)]


def test_a_record_is_what_the_specification_says() -> None:
    """docs/spec/binding.md, computed here anew."""
    exported = EXPORTER.export(32771, b"\x03", 32)
    prk = hmac.digest(exported, SECRET, "sha256")
    for channel, way in zip(pair(), (b"initiator", b"responder"), strict=True):
        key = HKDFExpand(SHA256(), 16, b"oob-1 " + way + b" key").derive(prk)
        iv = HKDFExpand(SHA256(), 12, b"oob-1 " + way + b" iv").derive(prk)
        aad = bytes.fromhex("83") + b"\x68Encrypt0" + bytes.fromhex("43a10101") + b"\x4doob-1 channel"
        for number in range(300):
            partial = number.to_bytes(2, "big").lstrip(b"\0") or b"\0"
            nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
            ciphertext = AESGCM(key).encrypt(nonce, b"plaintext", aad)
            assert cbor.decode(channel.seal(b"plaintext")) == [b"\xa1\x01\x01", {6: partial}, ciphertext]


def test_replay() -> None:
    """channel.py, Channel.open: the Partial IV is the one that is next."""
    initiator, responder = pair()
    record = initiator.seal(b"once")
    responder.open(record)
    with pytest.raises(PeerError, match="copy"):
        responder.open(record)
    assert_broken(responder, initiator.seal(b"next"))


def test_gap() -> None:
    """channel.py, Channel.open: a record that was held back is missed."""
    initiator, responder = pair()
    initiator.seal(b"lost")
    with pytest.raises(PeerError, match="order"):
        responder.open(initiator.seal(b"second"))


def test_order() -> None:
    initiator, responder = pair()
    first, second = initiator.seal(b"1"), initiator.seal(b"2")
    with pytest.raises(PeerError, match="order"):
        responder.open(second)
    assert_broken(responder, first)


def test_renumbered_record() -> None:
    """channel.py, _Direction.advance: the number is in the nonce, so that naming another one does not help."""
    initiator, responder = pair()
    initiator.seal(b"lost")
    protected, _, ciphertext = cbor.decode(initiator.seal(b"second"))
    with pytest.raises(AuthenticationError, match="verify"):
        responder.open(cbor.encode([protected, {6: b"\x00"}, ciphertext]))


@pytest.mark.parametrize("end", [0, 1])
def test_reflection(end: int) -> None:
    """channel.py, channel_pair: each direction has its own key and IV."""
    both = pair()
    channel, other = both[end], both[1 - end]
    own = channel.seal(b"to the other")
    with pytest.raises(AuthenticationError, match="verify"):
        channel.open(own)
    assert_broken(channel, other.seal(b"genuine"))


def test_each_direction_counts_for_itself() -> None:
    initiator, responder = pair()
    for _ in range(3):
        responder.open(initiator.seal(b"a"))
    assert initiator.open(responder.seal(b"b")) == b"b"


def test_every_tampered_byte() -> None:
    initiator, responder = pair()
    record = initiator.seal(b"https://lamp.home.example")
    for index in range(len(record)):
        for mask in (0x01, 0x80, 0xFF):
            _, fresh = pair()
            damaged = record[:index] + bytes([record[index] ^ mask]) + record[index + 1 :]
            with pytest.raises((PeerError, AuthenticationError)):
                fresh.open(damaged)
            assert_broken(fresh, record)
    assert responder.open(record) == b"https://lamp.home.example"


def test_every_truncation_and_extension() -> None:
    initiator, _ = pair()
    record = initiator.seal(b"plaintext")
    for damaged in [*[record[:length] for length in range(len(record))], record + b"\x00", record + record]:
        _, fresh = pair()
        with pytest.raises((PeerError, AuthenticationError)):
            fresh.open(damaged)


def test_headers_hold_nothing_else() -> None:
    """channel.py, Channel.open: unprotected parameters are not authenticated, so none is let through."""
    initiator, _ = pair()
    protected, unprotected, ciphertext = cbor.decode(initiator.seal(b""))
    for damaged in (
        [protected, unprotected | {4: b"kid"}, ciphertext],
        [protected, {}, ciphertext],
        [b"", unprotected, ciphertext],
        [protected, unprotected, None],
        [protected, unprotected, b""],
    ):
        _, fresh = pair()
        with pytest.raises((PeerError, AuthenticationError)):
            fresh.open(cbor.encode(damaged))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_break_it_with_our_errors(data: bytes) -> None:
    initiator, responder = pair()
    with pytest.raises(OobError):
        responder.open(data)
    assert_broken(responder, initiator.seal(b""))


@pytest.mark.parametrize(
    "other",
    [
        pair(secret=b"t" * 32),
        pair(secret=b""),
        pair(model=2),
        pair(exporter=Exporter(Hash.SHA256, b"q" * 32)),
    ],
)
def test_keys_depend_on_secret_model_and_handshake(other: tuple[Channel, Channel]) -> None:
    """channel.py, channel_pair: who broke the handshake but lacks the out-of-band secret reads nothing."""
    initiator, responder = pair()
    with pytest.raises(AuthenticationError, match="verify"):
        other[1].open(initiator.seal(b"for the device"))
    with pytest.raises(AuthenticationError, match="verify"):
        other[0].open(responder.seal(b"for the client"))


def test_all_keys_differ() -> None:
    keys = [
        value
        for exporter in (EXPORTER, Exporter(Hash.SHA256, b"q" * 32))
        for model in (2, 3)
        for secret in (SECRET, b"t" * 32, b"")
        for direction in vars(pair(exporter, model, secret)[0]).values()
        if not isinstance(direction, bool)
        for value in (direction.key, direction.iv)
    ]
    assert len(keys) == len(set(keys)) == 2 * 2 * 3 * 2 * 2


def test_a_model_without_a_secret_still_has_a_channel() -> None:
    initiator, responder = pair(secret=b"")
    assert responder.open(initiator.seal(b"x")) == b"x"


def test_the_last_number() -> None:
    """channel.py, _Direction.advance: no nonce twice, so the channel ends after 2**32 records."""
    initiator, responder = pair()
    vars(initiator)["_sending"].counter = vars(responder)["_receiving"].counter = LAST
    record = initiator.seal(b"last")
    assert cbor.decode(record)[1] == {6: b"\xff" * 4}
    assert responder.open(record) == b"last"
    with pytest.raises(PeerError, match="used up"):
        initiator.seal(b"one more")
    with pytest.raises(PeerError, match="used up"):
        responder.open(record)
    assert_broken(responder, record)


def test_nothing_secret_is_shown() -> None:
    initiator, _ = pair()
    direction = vars(initiator)["_sending"]
    shown = repr(initiator) + repr(direction)
    for secret in (direction.key, direction.iv):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
