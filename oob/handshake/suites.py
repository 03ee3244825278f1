"""Methods and cipher suites (RFC 9528, sections 3.2 and 3.6): rows of two tables."""

from dataclasses import dataclass

from oob.crypto import Aead, Algorithm, Curve, Hash


@dataclass(frozen=True, slots=True)
class Method:
    """Who authenticates by a signature; the other way is a static Diffie-Hellman key."""

    number: int
    initiator_signs: bool
    responder_signs: bool


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite; `mac_length` is the length in bytes of MAC_2 and MAC_3 under static Diffie-Hellman."""

    number: int
    aead: Aead
    hash: Hash
    mac_length: int
    curve: Curve
    signature: Algorithm


METHODS = {
    0: Method(0, True, True),
    1: Method(1, True, False),
    2: Method(2, False, True),
    3: Method(3, False, False),
}

SUITES = {
    0: Suite(0, Aead.AES_CCM_16_64_128, Hash.SHA256, 8, Curve.X25519, Algorithm.EDDSA),
    1: Suite(1, Aead.AES_CCM_16_128_128, Hash.SHA256, 16, Curve.X25519, Algorithm.EDDSA),
    2: Suite(2, Aead.AES_CCM_16_64_128, Hash.SHA256, 8, Curve.P256, Algorithm.ES256),
    3: Suite(3, Aead.AES_CCM_16_128_128, Hash.SHA256, 16, Curve.P256, Algorithm.ES256),
    4: Suite(4, Aead.CHACHA20_POLY1305, Hash.SHA256, 16, Curve.X25519, Algorithm.EDDSA),
    5: Suite(5, Aead.CHACHA20_POLY1305, Hash.SHA256, 16, Curve.P256, Algorithm.ES256),
    6: Suite(6, Aead.A128GCM, Hash.SHA256, 16, Curve.X25519, Algorithm.ES256),
}
