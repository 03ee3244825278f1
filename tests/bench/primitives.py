"""The raw primitives of a handshake, one end after the other, straight from their library, in the order of a run.

The order matters: a call that follows others of its kind finds the caches warm, as no run of the protocol would.
Counted from the key schedule of RFC 9528, section 4. Per end: TH_2 with H(message_1), TH_3, TH_4; PRK_2e; KEYSTREAM_2,
MAC_2, MAC_3, K_3, IV_3, K_4, IV_4, PRK_out, PRK_exporter and one exported key; the combination of PLAINTEXT_2 with
KEYSTREAM_2; a signature from DER to the form of COSE, and one back; with static Diffie-Hellman also two salts and two
extractions. Sizes are those of a run with credentials by reference, and by value under a model.
"""

import hashlib
import hmac
from collections.abc import Callable
from os import urandom

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
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
    point = signer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    peer = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def run() -> None:
        for _ in range(2):
            ephemeral = X25519PrivateKey.generate()
            ephemeral.public_key().public_bytes_raw()
            _hash(37, 68)  # H(message_1), TH_2
            ephemeral.exchange(X25519PublicKey.from_public_bytes(peer))
            HKDF.extract(_SHA256, _TH, _KEY)
            _expand(plaintext + 1, 32)  # KEYSTREAM_2, MAC_2
            _xor(plaintext + 1)
            raw = _to_raw(signer.sign(content, _SIGN))
            _hash(signed)  # TH_3
            _expand(32)  # MAC_3
            key = ec.EllipticCurvePublicKey.from_encoded_point(_P256, point)
            key.verify(_to_der(raw), content, _VERIFY)
            _expand(16, 12)  # K_3, IV_3
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], bytes(plaintext), _INFO)
            _hash(signed)  # TH_4
            _expand(16, 12)  # K_4, IV_4
            AESGCM(_KEY[:16]).encrypt(_KEY[:12], b"", _INFO)
            _expand(32, 32, 32)  # PRK_out, PRK_exporter, a key

    return run


def primitives_secret() -> Callable[[], None]:
    """Method 0, suite 6 under the model `secret`: also four HMACs an end, and at one the hash of CRED_R."""
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
            _hash(37, 68)  # H(message_1), TH_2
            ephemeral.exchange(_ECDH, g_y)
            HKDF.extract(_SHA256, _TH, _KEY)
            _expand(11, 32)  # KEYSTREAM_2, SALT_3e2m
            _xor(11)
            ephemeral.exchange(_ECDH, ec.EllipticCurvePublicKey.from_encoded_point(_P256, static_point))
            HKDF.extract(_SHA256, _TH, _KEY)
            _expand(8, 32)  # MAC_2, SALT_4e3m
            _hash(240)  # TH_3
            static.exchange(_ECDH, g_y)
            HKDF.extract(_SHA256, _TH, _KEY)
            _expand(8, 16, 13)  # MAC_3, K_3, IV_3
            AESCCM(_KEY[:16], tag_length=8).encrypt(_KEY[:13], bytes(10), _INFO)
            _hash(240)  # TH_4
            _expand(16, 13)  # K_4, IV_4
            AESCCM(_KEY[:16], tag_length=8).encrypt(_KEY[:13], b"", _INFO)
            _expand(32, 32, 32)  # PRK_out, PRK_exporter, a key

    return run


def _hash(*lengths: int) -> None:
    for length in lengths:
        hashlib.sha256(bytes(length)).digest()


def _expand(*lengths: int) -> None:
    for length in lengths:
        HKDFExpand(_SHA256, length, _CONTEXT if length == 32 else _INFO).derive(_KEY)


def _xor(length: int) -> None:
    zero = bytes(length)
    (int.from_bytes(zero, "big") ^ int.from_bytes(zero, "big")).to_bytes(length, "big")


def _to_raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _to_der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


def _prf(key: bytes, length: int) -> None:
    hmac.digest(key, bytes(length + PRF_HEAD), "sha256")
