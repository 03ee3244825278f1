"""The protected channel after message_4: COSE_Encrypt0 under per-direction keys, strictly ordered.

Channel key = HKDF-Extract(EDHOC_Exporter(32771, model id, 32), K or ISK), so that it also depends on the out-of-band
secret; a wrong order, a copy or a gap is refused.
"""

from dataclasses import dataclass, field

from oob import cbor
from oob.cose import decrypt0, encrypt0
from oob.crypto import Aead, Hash
from oob.errors import AuthenticationError, PeerError
from oob.handshake import Exporter

EXPORTER_LABEL = 32771
AEAD = Aead.A128GCM
PARTIAL_IV = 6
_PROTECTED = cbor.encode({1: AEAD.value})
_AAD = b"oob-1 channel"
_LAST_COUNTER = 2**32 - 1


@dataclass(slots=True)
class _Direction:
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    counter: int = 0

    def advance(self) -> tuple[bytes, bytes]:
        """Return Partial IV and nonce of the next record; each nonce is used once."""
        if self.counter > _LAST_COUNTER:
            raise PeerError("the protected channel is used up", step="channel")
        partial = self.counter.to_bytes(max(1, (self.counter.bit_length() + 7) // 8), "big")
        nonce = (int.from_bytes(self.iv, "big") ^ self.counter).to_bytes(AEAD.nonce_length, "big")
        self.counter += 1
        return partial, nonce


class Channel:
    """One end of the channel. After a record that does not verify it refuses all others."""

    def __init__(self, sending: _Direction, receiving: _Direction) -> None:
        self._sending, self._receiving = sending, receiving
        self._broken = False

    def seal(self, plaintext: bytes) -> bytes:
        """Return the next record, a COSE_Encrypt0."""
        partial, nonce = self._sending.advance()
        ciphertext = encrypt0(AEAD, self._sending.key, nonce, plaintext, _AAD, _PROTECTED)
        return cbor.encode([_PROTECTED, {PARTIAL_IV: partial}, ciphertext])

    def open(self, record: bytes) -> bytes:
        """Return the plaintext of the next record.

        Raises PeerError if it is malformed or out of order, AuthenticationError if it does not verify; either breaks
        the channel.
        """
        if self._broken:
            raise AuthenticationError("the protected channel is broken", step="channel", remedy="Pair again")
        self._broken = True
        partial, nonce = self._receiving.advance()
        match cbor.decode(record):
            case [bytes(protected), dict(unprotected), bytes(ciphertext)] if (
                protected == _PROTECTED and unprotected == {PARTIAL_IV: partial}
            ):
                plaintext = decrypt0(AEAD, self._receiving.key, nonce, ciphertext, _AAD, _PROTECTED)
            case _:
                raise PeerError("a record is malformed, out of order, or a copy", step="channel")
        self._broken = False
        return plaintext


def channel_pair(exporter: Exporter, model: int, secret: bytes) -> tuple[Channel, Channel]:
    """Return the channel's two ends, the initiator's and the responder's; `secret` is K, ISK or empty."""
    prk = Hash.SHA256.extract(exporter.export(EXPORTER_LABEL, cbor.encode(model), 32), secret)
    keys = [
        (
            Hash.SHA256.expand(prk, f"oob-1 {way} key".encode(), AEAD.key_length),
            Hash.SHA256.expand(prk, f"oob-1 {way} iv".encode(), AEAD.nonce_length),
        )
        for way in ("initiator", "responder")
    ]
    (ours, theirs) = keys
    initiator = Channel(_Direction(*ours), _Direction(*theirs))
    return initiator, Channel(_Direction(*theirs), _Direction(*ours))
