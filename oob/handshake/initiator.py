"""The initiator, step by step: each frozen type offers the one thing that may come next.

Private to `Session`, which drops a step after use: a step taken twice would use an AEAD key and nonce twice.
"""

from dataclasses import field

from oob import cbor
from oob.cose import decrypt0, encrypt0
from oob.crypto import EcdhKey, EcdhPublic
from oob.errors import UsageError
from oob.handshake import schedule
from oob.handshake.credentials import Credential, Identity, expand_id
from oob.handshake.ead import EadField
from oob.handshake.exporter import Exporter
from oob.handshake.messages import Message1, Plaintext2, Plaintext3, decode_bstr, encode_bstr
from oob.handshake.proof import (
    check_identity,
    check_peer,
    check_proof,
    compose_context_2,
    compose_context_3,
    compose_proof,
    mac_length,
    proof_length,
    xor,
)
from oob.handshake.record import record
from oob.handshake.suites import METHODS, SUITES, Method, Suite


@record
class AwaitMessage2:
    """message_1 is on its way."""

    identity: Identity
    method: Method
    suite: Suite
    ephemeral: EcdhKey = field(repr=False)
    message_1: bytes

    def process_message_2(self, message_2: bytes) -> "AwaitCredentialR":
        """Open message_2; nothing of it is authentic before `verify` (section 5.3.3)."""
        hash = self.suite.hash
        content = decode_bstr(message_2, "message_2", 33)
        g_y, ciphertext_2 = EcdhPublic.load(self.suite.curve, content[:32]), content[32:]
        g_xy = self.ephemeral.exchange(g_y)
        th_2 = schedule.th_2(hash, g_y.x, self.message_1)
        prk_2e = schedule.prk_2e(hash, th_2, g_xy)
        stream = schedule.keystream_2(hash, prk_2e, th_2, len(ciphertext_2))
        plaintext = xor(ciphertext_2, stream)
        fields = Plaintext2.decode(plaintext, proof_length(self.suite, self.method.responder_signs))
        return AwaitCredentialR(self, g_y, th_2, prk_2e, plaintext, fields, expand_id(fields.id_cred))


@record
class AwaitCredentialR:
    """message_2 is open; the application says which credential ID_CRED_R means."""

    sent: AwaitMessage2
    g_y: EcdhPublic
    th_2: bytes
    prk_2e: bytes = field(repr=False)
    plaintext_2: bytes
    fields: Plaintext2
    id_cred: bytes

    def verify(self, credential: Credential) -> "Verified2":
        """Authenticate the responder as the holder of `credential`; AuthenticationError if it is not."""
        sent, suite = self.sent, self.sent.suite
        signs = sent.method.responder_signs
        check_peer(sent.identity, credential, self.id_cred)
        prk_3e2m = self.prk_2e
        if not signs:
            g_rx = sent.ephemeral.exchange(credential.key.agree())
            prk_3e2m = schedule.prk_3e2m(suite.hash, self.prk_2e, self.th_2, g_rx)
        ead = self.fields.ead.encoded
        context_2 = compose_context_2(self.fields.c_r, credential, self.th_2, ead)
        mac = schedule.mac_2(suite, prk_3e2m, context_2, mac_length(suite, signs))
        check_proof(suite, credential, signs, self.fields.signature_or_mac, mac, self.th_2, ead)
        th_3 = schedule.th_next(suite.hash, self.th_2, self.plaintext_2, credential.cred)
        return Verified2(sent, self.g_y, th_3, prk_3e2m, self.fields.ead)


@record
class Verified2:
    """The responder is authentic; message_3 is next."""

    sent: AwaitMessage2
    g_y: EcdhPublic
    th_3: bytes
    prk_3e2m: bytes = field(repr=False)
    ead_2: EadField

    def compose_message_3(self, ead_3: EadField) -> tuple["AwaitMessage4", bytes]:
        """Return message_3 (section 5.4.2)."""
        sent, suite, identity = self.sent, self.sent.suite, self.sent.identity
        signs, own = sent.method.initiator_signs, identity.credential
        prk_4e3m = self.prk_3e2m
        if not signs:
            g_iy = identity.agreement().exchange(self.g_y)
            prk_4e3m = schedule.prk_4e3m(suite.hash, self.prk_3e2m, self.th_3, g_iy)
        context_3 = compose_context_3(own, self.th_3, ead_3.encoded)
        mac = schedule.mac_3(suite, prk_4e3m, context_3, mac_length(suite, signs))
        proof = compose_proof(identity, signs, mac, self.th_3, ead_3.encoded)
        plaintext = Plaintext3(own.compact_id(), proof, ead_3).encode()
        key, iv = schedule.key_3(suite, self.prk_3e2m, self.th_3)
        message_3 = encode_bstr(encrypt0(suite.aead, key, iv, plaintext, self.th_3))
        th_4 = schedule.th_next(suite.hash, self.th_3, plaintext, own.cred)
        return AwaitMessage4(suite, th_4, prk_4e3m), message_3


@record
class AwaitMessage4:
    """message_3 is on its way."""

    suite: Suite
    th_4: bytes
    prk_4e3m: bytes = field(repr=False)

    def process_message_4(self, message_4: bytes) -> tuple[Exporter, EadField]:
        """Verify message_4, which confirms the key, and return the exporter with EAD_4 (section 5.5.3)."""
        ciphertext = decode_bstr(message_4, "message_4", self.suite.aead.tag_length)
        key, iv = schedule.key_4(self.suite, self.prk_4e3m, self.th_4)
        plaintext = decrypt0(self.suite.aead, key, iv, ciphertext, self.th_4)
        ead_4 = EadField.decode(*cbor.split_sequence(plaintext))
        return Exporter(self.suite.hash, schedule.prk_out(self.suite.hash, self.prk_4e3m, self.th_4)), ead_4


def compose_message_1(
    identity: Identity, method: int, suites: tuple[int, ...], ephemeral: EcdhKey, c_i: bytes, ead_1: EadField
) -> tuple[AwaitMessage2, bytes]:
    """Return message_1 for `suites` in order of preference, the last one selected (section 5.2.2).

    Raises UsageError when the identity or the ephemeral key does not fit method and suite.
    """
    chosen, suite = METHODS[method], SUITES[suites[-1]]
    if ephemeral.curve is not suite.curve:
        raise UsageError("the ephemeral key is of another curve than the cipher suite")
    check_identity(identity, suite, chosen.initiator_signs)
    message_1 = Message1(method, suites, ephemeral.x, c_i, ead_1).encode()
    return AwaitMessage2(identity, chosen, suite, ephemeral, message_1), message_1
