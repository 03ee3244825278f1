"""What the handshake needs of an X.509 certificate: its public key."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from oob.errors import PeerError


def certificate_public_key(der: bytes) -> tuple[str, bytes, bytes | None]:
    """Return curve name ("P-256", "Ed25519", "X25519") and coordinates; PeerError for anything else."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except Exception as error:  # the parser raises ValueError and several others on hostile input
        raise PeerError("malformed X.509 certificate") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        numbers = key.public_numbers()
        return "P-256", numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    if isinstance(key, Ed25519PublicKey):
        return "Ed25519", key.public_bytes_raw(), None
    if isinstance(key, X25519PublicKey):
        return "X25519", key.public_bytes_raw(), None
    raise PeerError("a certificate holds a key of an unsupported kind")
