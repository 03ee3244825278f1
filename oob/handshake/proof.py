"""Signature_or_MAC_x: how one end proves its credential (RFC 9528, sections 5.3.2 and 5.4.2)."""

from oob import cbor
from oob.cose.sign1 import sig_structure
from oob.crypto import EcdhKey, equal
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.handshake.credentials import Credential, Identity
from oob.handshake.messages import encode_identifier
from oob.handshake.suites import Suite

SIGNATURE_LENGTH = 64


def mac_length(suite: Suite, signs: bool) -> int:
    """Length of MAC_x: the hash length under a signature, the suite's MAC length under static Diffie-Hellman."""
    return suite.hash.length if signs else suite.mac_length


def proof_length(suite: Suite, signs: bool) -> int:
    """Length of Signature_or_MAC_x on the wire."""
    return SIGNATURE_LENGTH if signs else suite.mac_length


def compose_proof(identity: Identity, signs: bool, mac: bytes, th: bytes, ead: bytes) -> bytes:
    """Return the signature over MAC_x, or MAC_x itself."""
    if not signs:
        return mac
    return identity.sign(_message(identity.credential, mac, th, ead))


def check_proof(
    suite: Suite, credential: Credential, signs: bool, proof: bytes, mac: bytes, th: bytes, ead: bytes
) -> None:
    """Verify Signature_or_MAC_x; AuthenticationError if it is wrong."""
    if not signs:
        if not equal(proof, mac):
            raise AuthenticationError("the peer does not hold the key of its credential")
        return
    if credential.key.algorithm is not suite.signature:
        raise PeerError("the credential holds a key of another algorithm than the cipher suite")
    credential.key.verify(proof, _message(credential, mac, th, ead))


def check_identity(identity: Identity, suite: Suite, signs: bool) -> None:
    """Check that one's own key is of the kind that method and suite ask for; UsageError if not."""
    if identity.signs is not signs:
        raise UsageError("the EDHOC method does not fit the identity: a signature key signs, a Diffie-Hellman key not")
    key = identity.key
    if (key.curve is not suite.curve) if isinstance(key, EcdhKey) else (key.algorithm is not suite.signature):
        raise UsageError(f"cipher suite {suite.number} does not fit the key of the identity")


def _message(credential: Credential, mac: bytes, th: bytes, ead: bytes) -> bytes:
    return sig_structure(credential.id_cred, cbor.encode_bytes(th) + credential.cred + ead, mac)


def check_peer(identity: Identity, credential: Credential, id_cred: bytes) -> None:
    """Refuse a credential that is one's own (reflection) or not the one referred to; PeerError."""
    if credential.id_cred != id_cred:
        raise PeerError("the credential is not the one that the peer named")
    if credential.cred == identity.credential.cred or credential.key.x == identity.credential.key.x:
        raise PeerError("the peer presents our own credential")


def compose_context_2(c_r: bytes, credential: Credential, th_2: bytes, ead_2: bytes) -> bytes:
    """context_2 = << C_R, ID_CRED_R, TH_2, CRED_R, ? EAD_2 >> (section 5.3.2)."""
    head = cbor.encode(encode_identifier(c_r)) + credential.id_cred
    return head + cbor.encode_bytes(th_2) + credential.cred + ead_2


def compose_context_3(credential: Credential, th_3: bytes, ead_3: bytes) -> bytes:
    """context_3 = << ID_CRED_I, TH_3, CRED_I, ? EAD_3 >> (section 5.4.2)."""
    return credential.id_cred + cbor.encode_bytes(th_3) + credential.cred + ead_3


def xor(left: bytes, right: bytes) -> bytes:
    """Combine two strings of one length: the encryption of PLAINTEXT_2 (section 5.3.2)."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
