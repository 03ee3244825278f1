"""Methods and cipher suites (RFC 9528, sections 3.2 and 3.6): rows of two tables."""

from collections.abc import Collection
from dataclasses import dataclass

from oob.crypto import Aead, Algorithm, Curve, Hash
from oob.errors import PeerError


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


def select_suites(preference: tuple[int, ...], suites_r: Collection[int], tried: Collection[int]) -> tuple[int, ...]:
    """Return SUITES_I of the next message_1, the selected suite last, after the peer refused with SUITES_R.

    `preference` holds every suite supported here, best first, and is the same for each try; `tried` the suites that
    were selected so far. PeerError if no suite is common, or if the best common one was refused already: SUITES_R is
    not authenticated, so this ends a ring of refusals (RFC 9528, sections 5.2.2 and 6.3).
    """
    common = [suite for suite in preference if suite in suites_r]
    if not common:
        raise PeerError("no cipher suite is supported on both sides", step="message_1")
    if common[0] in tried:
        raise PeerError("the peer refused a cipher suite that it says it supports", step="message_1")
    # The better ones stay in the list: if a forged refusal took one of them away, the peer sees that it need not be.
    return preference[: preference.index(common[0]) + 1]
