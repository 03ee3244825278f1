"""The raw primitives of a handshake, both ends together, straight from their library.

Counted from the key schedule of RFC 9528, section 4. Per end: TH_2 with H(message_1), TH_3, TH_4; PRK_2e; KEYSTREAM_2,
MAC_2, MAC_3, K_3, IV_3, K_4, IV_4, PRK_out, PRK_exporter and one exported key; with static Diffie-Hellman also two
salts and two extractions. Sizes are those of a run with credentials by reference, and by value under a model.
"""

import hashlib
import hmac
from collections.abc import Callable
from os import urandom

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import (
    crypto_core_ed25519_from_uniform,
    crypto_scalarmult,
    crypto_scalarmult_ed25519_noclamp,
    crypto_sign_ed25519_pk_to_curve25519,
)

_P256, _ECDH, _SHA256 = ec.SECP256R1(), ec.ECDH(), hashes.SHA256()
_SIGN, _VERIFY = ec.ECDSA(_SHA256, deterministic_signing=True), ec.ECDSA(_SHA256)
_KEY, _TH = urandom(32), urandom(32)
_INFO, _CONTEXT = bytes(36), bytes(130)
# Lengths in bytes of a pairing, credentials by value.
CRED, PLAINTEXT, SIGNED = 86, 174, 278
PRF_HEAD, ONE_HASH, TH_AND_CRED = 9, 34, 34 + 2 + CRED
GENERATOR_STRING, ISK_INPUT = 191, 147


def primitives_m0_s6(signed: int = 230, plaintext: int = 67) -> Callable[[], None]:
    """Method 0, suite 6: signatures with ES256 under an X25519 exchange, AES-128-GCM.

    `signed` is the length in bytes of what is signed, `plaintext` that of PLAINTEXT_2 and PLAINTEXT_3.
    """
    signer, content = ec.generate_private_key(_P256), bytes(signed)
    signature = signer.sign(content, _SIGN)
    point = signer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    peer = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def run() -> None:
        for _ in range(2):
            ephemeral = X25519PrivateKey.generate()
            ephemeral.public_key().public_bytes_raw()
            ephemeral.exchange(X25519PublicKey.from_public_bytes(peer))
            signer.sign(content, _SIGN)
            ec.EllipticCurvePublicKey.from_encoded_point(_P256, point).verify(signature, content, _VERIFY)
            _hashes(signed)
            _extract(1)
            _expand([plaintext + 1, 32, 32, 16, 12, 16, 12, 32, 32, 32])
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], bytes(plaintext), _INFO)
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], b"", _INFO)

    return run


def primitives_secret() -> Callable[[], None]:
    """Method 0, suite 6 under the model `secret`: also four HMACs an end, and the hash of CRED_R at one."""
    handshake = primitives_m0_s6(SIGNED, PLAINTEXT)

    def run() -> None:
        handshake()
        hashlib.sha256(bytes(CRED)).digest()
        for _ in range(2):
            for length in (ONE_HASH, TH_AND_CRED, TH_AND_CRED, 0):  # EAD_1, T_R, T_I, the channel's secret
                _prf(_KEY[:16], length)

    return run


def primitives_passcode() -> Callable[[], None]:
    """Method 0, suite 6 under the model `passcode`: also CPace and four HMACs an end."""
    handshake = primitives_m0_s6(SIGNED, PLAINTEXT)
    scalar = bytes([*_KEY[:31], _KEY[31] & 0x0F | 0x01])
    peer = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def run() -> None:
        handshake()
        for _ in range(2):
            point = crypto_core_ed25519_from_uniform(hashlib.sha512(bytes(GENERATOR_STRING)).digest()[:32])
            crypto_sign_ed25519_pk_to_curve25519(crypto_scalarmult_ed25519_noclamp(scalar, point))
            crypto_scalarmult(scalar, peer)
            isk = hashlib.sha512(bytes(ISK_INPUT)).digest()
            for length in (0, 0, TH_AND_CRED, ONE_HASH):  # k, the channel's secret, T_I, T_R
                _prf(isk, length)

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


def _hashes(transcript: int = 240) -> None:
    for length in (37, 68, transcript, transcript):  # H(message_1), TH_2, TH_3, TH_4
        hashlib.sha256(bytes(length)).digest()


def _extract(times: int) -> None:
    for _ in range(times):
        HKDF.extract(_SHA256, _TH, _KEY)


def _expand(lengths: list[int]) -> None:
    for length in lengths:
        HKDFExpand(_SHA256, length, _CONTEXT if length == 32 else _INFO).derive(_KEY)


def _prf(key: bytes, length: int) -> None:
    hmac.digest(key, bytes(length + PRF_HEAD), "sha256")
