"""The raw primitives of a handshake, both ends together, straight from their library.

Counted from the key schedule of RFC 9528, section 4. Per end: TH_2 with H(message_1), TH_3, TH_4; PRK_2e; KEYSTREAM_2,
MAC_2, MAC_3, K_3, IV_3, K_4, IV_4, PRK_out, PRK_exporter and one exported key; with static Diffie-Hellman also two
salts and two extractions. Sizes are those of a run with credentials by reference.
"""

import hashlib
from collections.abc import Callable
from os import urandom

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_P256, _ECDH, _SHA256 = ec.SECP256R1(), ec.ECDH(), hashes.SHA256()
_SIGN, _VERIFY = ec.ECDSA(_SHA256, deterministic_signing=True), ec.ECDSA(_SHA256)
_KEY, _TH = urandom(32), urandom(32)
_INFO, _CONTEXT, _MESSAGE = bytes(36), bytes(130), bytes(230)


def primitives_m0_s6() -> Callable[[], None]:
    """Method 0, suite 6: signatures with ES256 under an X25519 exchange, AES-128-GCM."""
    signer = ec.generate_private_key(_P256)
    signature = signer.sign(_MESSAGE, _SIGN)
    point = signer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    peer = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def run() -> None:
        for _ in range(2):
            ephemeral = X25519PrivateKey.generate()
            ephemeral.public_key().public_bytes_raw()
            ephemeral.exchange(X25519PublicKey.from_public_bytes(peer))
            signer.sign(_MESSAGE, _SIGN)
            ec.EllipticCurvePublicKey.from_encoded_point(_P256, point).verify(signature, _MESSAGE, _VERIFY)
            _hashes()
            _extract(1)
            _expand([68, 32, 32, 16, 12, 16, 12, 32, 32, 32])
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], bytes(67), _INFO)
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], b"", _INFO)

    return run


def primitives_m3_s2() -> Callable[[], None]:
    """Method 3, suite 2: three P-256 exchanges at each end, AES-CCM with a tag of 8 bytes."""
    static = ec.generate_private_key(_P256)
    ephemeral_point = static.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    static_point = static.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def run() -> None:
        for _ in range(2):
            ephemeral = ec.generate_private_key(_P256)
            ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
            g_y = ec.EllipticCurvePublicKey.from_encoded_point(_P256, ephemeral_point)
            g_r = ec.EllipticCurvePublicKey.from_encoded_point(_P256, static_point)
            ephemeral.exchange(_ECDH, g_y)
            ephemeral.exchange(_ECDH, g_r)
            static.exchange(_ECDH, g_y)
            _hashes()
            _extract(3)
            _expand([11, 32, 8, 32, 8, 16, 13, 16, 13, 32, 32, 32])
            AESCCM(_KEY[:16], tag_length=8).encrypt(_KEY[:13], bytes(10), _INFO)
            AESCCM(_KEY[:16], tag_length=8).encrypt(_KEY[:13], b"", _INFO)

    return run


def _hashes() -> None:
    for data in (bytes(37), bytes(68), bytes(240), bytes(240)):
        hashlib.sha256(data).digest()


def _extract(times: int) -> None:
    for _ in range(times):
        HKDF.extract(_SHA256, _TH, _KEY)


def _expand(lengths: list[int]) -> None:
    for length in lengths:
        HKDFExpand(_SHA256, length, _CONTEXT if length == 32 else _INFO).derive(_KEY)
