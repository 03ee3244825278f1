from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import StorageError
from oob.issuance import TlsKey
from oob.issuance.problems import Problem
from oob.issuance.tls_key import SigningRequest

NAMES = ["lamp.home.example", "192.168.7.1", "fe80::1"]
P256 = ec.generate_private_key(ec.SECP256R1())


def request(key: Any, *names: x509.GeneralName, common: str = "") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def test_a_key_keeps_in_pem_and_hides_in_a_repr() -> None:
    key = TlsKey.generate()
    assert TlsKey.from_pem(key.to_pem()).public == key.public
    assert repr(key) == "TlsKey()"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    ],
)
def test_a_damaged_key_is_a_storage_error(pem: bytes) -> None:
    with pytest.raises(StorageError, match="the TLS key"):
        TlsKey.from_pem(pem)


def test_a_request_says_what_it_was_made_for() -> None:
    key = TlsKey.generate()
    decoded = SigningRequest.decode(key.csr(NAMES))
    assert decoded.names == frozenset(NAMES)
    assert decoded.key == key.public


def test_a_common_name_may_repeat_a_name() -> None:
    name = x509.DNSName("lamp.home.example")
    assert SigningRequest.decode(request(P256, name, common="LAMP.home.example")).names == {"lamp.home.example"}


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (b"", "cannot be read"),
        (bytes(8193), "at most"),
        (request(P256), "lacks a subjectAltName"),
        (request(P256, x509.DNSName("a.example"), common="b.example"), "none of its subjectAltNames"),
        (request(P256, x509.RFC822Name("a@b.example")), "cannot be read"),
        (request(ec.generate_private_key(ec.SECP384R1()), x509.DNSName("a.example")), "not of P-256"),
        (request(ed25519.Ed25519PrivateKey.generate(), x509.DNSName("a.example")), "not of P-256"),
        (request(rsa.generate_private_key(65537, 2048), x509.DNSName("a.example")), "not of P-256"),
    ],
)
def test_a_bad_request_is_refused(der: bytes, reason: str) -> None:
    with pytest.raises(Problem, match=reason) as caught:
        SigningRequest.decode(der)
    assert caught.value.problem.endswith("badCSR")


def test_a_request_must_be_signed_by_its_own_key() -> None:
    der = bytearray(TlsKey.generate().csr(NAMES))
    der[-1] ^= 1
    with pytest.raises(Problem, match="not signed by the key in it"):
        SigningRequest.decode(bytes(der))


GOOD = TlsKey.generate().csr(NAMES)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_request_changed_anywhere_is_refused(position: int, change: int) -> None:
    der = bytearray(GOOD)
    der[position] ^= change
    with pytest.raises(Problem):
        SigningRequest.decode(bytes(der))


def test_the_kind_of_key_is_looked_at_before_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def public_key(self) -> object:
            return object()

        @property
        def is_signature_valid(self) -> bool:
            raise AssertionError("an RSA key of any size was used")

    monkeypatch.setattr(x509, "load_der_x509_csr", lambda _: Slow())
    with pytest.raises(Problem, match=r"not of P-256"):
        SigningRequest.decode(b"csr")
