"""The key schedule (RFC 9528, section 4): names and labels are the RFC's."""

from oob import cbor
from oob.crypto import Hash
from oob.handshake.suites import Suite


def edhoc_kdf(hash: Hash, prk: bytes, info_label: int, context: bytes, length: int) -> bytes:
    """EDHOC_KDF: expand `prk` to `length` bytes (section 4.1.2)."""
    return hash.expand(prk, cbor.encode_int(info_label) + cbor.encode_bytes(context) + cbor.encode_int(length), length)


def th_2(hash: Hash, g_y: bytes, message_1: bytes) -> bytes:
    """TH_2 = H(G_Y, H(message_1)) (section 5.3.2)."""
    return hash.digest(cbor.encode_bytes(g_y) + cbor.encode_bytes(hash.digest(message_1)))


def th_next(hash: Hash, th: bytes, plaintext: bytes, cred: bytes) -> bytes:
    """TH_3 and TH_4: H(TH_x, PLAINTEXT_x, CRED_x), over the bytes received (sections 5.4.2 and 5.5.2)."""
    return hash.digest(cbor.encode_bytes(th) + plaintext + cred)


def prk_2e(hash: Hash, th_2: bytes, g_xy: bytes) -> bytes:
    """PRK_2e (section 4.1.1.1)."""
    return hash.extract(th_2, g_xy)


def keystream_2(hash: Hash, prk_2e: bytes, th_2: bytes, length: int) -> bytes:
    """KEYSTREAM_2; at most 8,160 bytes with SHA-256, above the cap on messages."""
    return edhoc_kdf(hash, prk_2e, 0, th_2, length)


def prk_3e2m(hash: Hash, prk_2e: bytes, th_2: bytes, g_rx: bytes) -> bytes:
    """PRK_3e2m of a responder with a static Diffie-Hellman key (section 4.1.1.2)."""
    return hash.extract(edhoc_kdf(hash, prk_2e, 1, th_2, hash.length), g_rx)


def prk_4e3m(hash: Hash, prk_3e2m: bytes, th_3: bytes, g_iy: bytes) -> bytes:
    """PRK_4e3m of an initiator with a static Diffie-Hellman key (section 4.1.1.3)."""
    return hash.extract(edhoc_kdf(hash, prk_3e2m, 5, th_3, hash.length), g_iy)


def mac_2(suite: Suite, prk_3e2m: bytes, context_2: bytes, length: int) -> bytes:
    """MAC_2 over << C_R, ID_CRED_R, TH_2, CRED_R, ? EAD_2 >> (section 5.3.2)."""
    return edhoc_kdf(suite.hash, prk_3e2m, 2, context_2, length)


def mac_3(suite: Suite, prk_4e3m: bytes, context_3: bytes, length: int) -> bytes:
    """MAC_3 over << ID_CRED_I, TH_3, CRED_I, ? EAD_3 >> (section 5.4.2)."""
    return edhoc_kdf(suite.hash, prk_4e3m, 6, context_3, length)


def key_3(suite: Suite, prk_3e2m: bytes, th_3: bytes) -> tuple[bytes, bytes]:
    """K_3 and IV_3 (section 4.1.2)."""
    return _key_and_iv(suite, prk_3e2m, 3, th_3)


def key_4(suite: Suite, prk_4e3m: bytes, th_4: bytes) -> tuple[bytes, bytes]:
    """K_4 and IV_4 (section 4.1.2)."""
    return _key_and_iv(suite, prk_4e3m, 8, th_4)


def prk_out(hash: Hash, prk_4e3m: bytes, th_4: bytes) -> bytes:
    """PRK_out (section 4.1.3)."""
    return edhoc_kdf(hash, prk_4e3m, 7, th_4, hash.length)


def prk_exporter(hash: Hash, prk_out: bytes) -> bytes:
    """PRK_exporter (section 4.2.1)."""
    return edhoc_kdf(hash, prk_out, 10, b"", hash.length)


def key_update(hash: Hash, prk_out: bytes, context: bytes) -> bytes:
    """EDHOC_KeyUpdate: the PRK_out that replaces `prk_out` (appendix H)."""
    return edhoc_kdf(hash, prk_out, 11, context, hash.length)


def _key_and_iv(suite: Suite, prk: bytes, label: int, th: bytes) -> tuple[bytes, bytes]:
    key = edhoc_kdf(suite.hash, prk, label, th, suite.aead.key_length)
    return key, edhoc_kdf(suite.hash, prk, label + 1, th, suite.aead.nonce_length)
