"""CPACE-X25519-SHA512 with initiator and responder (draft-irtf-cfrg-cpace-21).

All inputs are explicit: PRS (the password), CI (who and what for), sid, the scalar and both sides' associated data.
"""

from dataclasses import dataclass, field
from typing import Final

from oob.crypto import Hash, cpace_public, cpace_shared
from oob.errors import UsageError

DSI: Final = b"CPace255"
S_IN_BYTES: Final = 128
"""Input block size of SHA-512 in bytes: DSI and PRS are padded to fill it (section 7.1)."""
SHARE_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Share:
    """What one side sends: its public share, 32 bytes, and its associated data."""

    y: bytes
    ad: bytes = b""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What a run leaves: ISK (64 bytes, never used without a KDF) and its public transcript."""

    isk: bytes = field(repr=False)
    transcript_ir: bytes

    @property
    def sid_output(self) -> bytes:
        """The public name of the run, 64 bytes."""
        return Hash.SHA512.digest(b"CPaceSidOutput" + self.transcript_ir)


def prepend_len(data: bytes) -> bytes:
    """Put the length of `data` before it, in LEB128 (appendix A.1)."""
    length = len(data)
    head = b""
    while length > 0x7F:
        head += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return head + bytes((length,)) + data


def lv_cat(*parts: bytes) -> bytes:
    """Concatenate the parts, each with its length before it (appendix A.1)."""
    return b"".join([prepend_len(part) for part in parts])


def generator_string(prs: bytes, ci: bytes, sid: bytes) -> bytes:
    """Return lv_cat(DSI, PRS, zero padding, CI, sid): a short PRS never shows in the number of blocks (section 7.1)."""
    len_zpad = max(0, S_IN_BYTES - 1 - len(prepend_len(prs)) - len(prepend_len(DSI)))
    return lv_cat(DSI, prs, bytes(len_zpad), ci, sid)


def public_share(prs: bytes, ci: bytes, sid: bytes, scalar: bytes) -> bytes:
    """Return Y = scalar * g, 32 bytes, for 32 fresh random bytes; UsageError for another length (section 7.2)."""
    _check_scalar(scalar)
    generator_hash = Hash.SHA512.digest(generator_string(prs, ci, sid))[:SHARE_LENGTH]
    return cpace_public(generator_hash, scalar)


def session_key(scalar: bytes, sid: bytes, own: Share, peer: Share, *, initiator: bool) -> SessionKey:
    """Derive ISK from one's scalar and both shares.

    Raises PeerError when the peer's share has another length than 32 bytes or is of low order (section 6.2),
    and UsageError for a scalar of another length.
    """
    _check_scalar(scalar)
    k = cpace_shared(scalar, peer.y)
    first, second = (own, peer) if initiator else (peer, own)
    transcript_ir = lv_cat(first.y, first.ad) + lv_cat(second.y, second.ad)
    isk = Hash.SHA512.digest(lv_cat(DSI + b"_ISK", sid, k) + transcript_ir)
    return SessionKey(isk, transcript_ir)


def _check_scalar(scalar: bytes) -> None:
    # libsodium is handed a pointer: it would read past the end of a short one.
    if len(scalar) != SHARE_LENGTH:
        raise UsageError(f"a CPace scalar has 32 bytes, this one has {len(scalar)}", step="CPace")
