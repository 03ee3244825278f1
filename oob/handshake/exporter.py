"""What a completed handshake leaves: PRK_out and the keys derived from it (RFC 9528, section 4.2)."""

from dataclasses import dataclass, field

from oob.crypto import Hash
from oob.handshake import schedule


@dataclass(frozen=True, slots=True)
class Exporter:
    """PRK_out of a completed session."""

    hash: Hash
    prk_out: bytes = field(repr=False)

    def export(self, label: int, context: bytes, length: int) -> bytes:
        """EDHOC_Exporter: `length` bytes for a registered or private label (section 4.2.1)."""
        prk_exporter = schedule.prk_exporter(self.hash, self.prk_out)
        return schedule.edhoc_kdf(self.hash, prk_exporter, label, context, length)

    def update(self, context: bytes) -> "Exporter":
        """EDHOC_KeyUpdate: the exporter that supersedes this one; drop this one then (appendix H)."""
        return Exporter(self.hash, schedule.key_update(self.hash, self.prk_out, context))
