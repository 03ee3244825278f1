"""The key that a pairing leaves at both ends, for whatever comes later than the channel.

PRK = HKDF-Extract(EDHOC_Exporter(32772, model id, 32), K or ISK). It opens nothing of what was said on the radio,
neither handshake nor channel, so that it may be kept on a disk without giving up forward secrecy.
"""

from dataclasses import dataclass, field

from oob import cbor
from oob.crypto import Hash
from oob.errors import UsageError
from oob.handshake import Exporter
from oob.pairing.models import Proof

EXPORTER_LABEL = 32772
MAX_EXPORT = 255 * 32
RESUMPTION_LENGTH = 32


@dataclass(frozen=True, slots=True)
class PairingKey:
    """`prk`, 32 bytes: the same at the client and the device, different for every pairing.

    `mutual` says that both ends proved themselves; the key of any other pairing must not be resumed, for that would
    prove more than the pairing did.
    """

    prk: bytes = field(repr=False)
    mutual: bool

    @classmethod
    def derive(cls, exporter: Exporter, proof: Proof, secret: bytes) -> "PairingKey":
        """Derive it from a handshake and the channel secret of its model, b"" where there is none."""
        context = cbor.encode(int(proof.model))
        return cls(Hash.SHA256.extract(exporter.export(EXPORTER_LABEL, context, 32), secret), proof.mutual)

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """Return `length` bytes for an application: the same at both ends for the same label and context.

        UsageError for a length outside 1 to 8,160, or a label that is not Unicode.
        """
        if any("\ud800" <= each <= "\udfff" for each in label):
            raise UsageError("the label of an exported key is not Unicode", step="export")
        if not 0 < length <= MAX_EXPORT:
            raise UsageError(f"an exported key has 1 to {MAX_EXPORT} bytes", step="export")
        return self._expand("oob-1 export", label, context, length)

    def resumption_secret(self) -> bytes:
        """Return K of the model `resumed`, 32 bytes; UsageError for a pairing in which an end proved nothing."""
        if not self.mutual:
            raise UsageError("a pairing that was not mutual cannot be resumed", step="pairing", remedy="Pair anew")
        return self._expand("oob-1 resumption", "", b"", RESUMPTION_LENGTH)

    def _expand(self, purpose: str, label: str, context: bytes, length: int) -> bytes:
        return Hash.SHA256.expand(self.prk, cbor.encode_sequence(purpose, label, context, length), length)
